"""Work out on demand the hold-ups of a session that is older than those that the analyses explain.

The answer is the one that was due when the session ended: then it was the latest of its pattern.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from stretto.findings.analysis_table import HOLDUPS
from stretto.findings.explain_work_or_session import is_explained_on_demand
from stretto.findings.findings_snapshot import FindingsState, add_explained_session
from stretto.model.entities import Session
from stretto.operations.analysis_reader import AnswerReader
from stretto.operations.operation_errors import OperationError
from stretto.store.finding_history_and_last_answers import AnalysisResult

BUSY = "another session is explained just now: ask again in a moment"


@dataclass(slots=True)
class OlderSessionExplainer:
    """Explains older sessions, one at a time. Several threads may call it at once.

    None waits for another session's explanation, but it may wait for an operation that is worked out.
    """

    answers: AnswerReader
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def add_explanation(self, state: FindingsState, session: Session) -> FindingsState:
        """Return the findings with the hold-ups of an older session, or with why they are not known.

        It waits for the process of the analyses: at most 80 s, a minute and the third of one for a second try
        over a shorter history. An answer is kept. The findings stay as they are if the session is explained
        anyway, or cannot be.
        """
        if session.end is None or not is_explained_on_demand(state, session):
            return state
        answer: AnalysisResult | str = BUSY
        if self._turn.acquire(blocking=False):
            try:
                answer = self.answers.read_answer(HOLDUPS, session.end).result
            except OperationError as error:
                answer = error.message
            finally:
                self._turn.release()
        return add_explained_session(state, session.id, answer)
