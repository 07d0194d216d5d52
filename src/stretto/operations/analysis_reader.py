"""Answers of analyses for operations: the last good answer where there is one, else worked out now, once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

from stretto.clock import DAY, MINUTE, SECOND
from stretto.findings.analysis_run import AnalysisRequest
from stretto.findings.analysis_table import ANALYSES
from stretto.findings.findings_snapshot import FindingsState
from stretto.operations.operation_errors import ErrorCode, OperationError
from stretto.operations.operation_sources import OperationSources
from stretto.store.finding_history_and_last_answers import AnalysisResult

TOO_OLD = 7 * DAY
"""Age from which the last good answer says nothing about now."""

KEPT = 5 * MINUTE
"""How long an answer that was worked out here is used again."""

MOST_KEPT = 64

SLACK = 10 * MINUTE
"""Time by which an answer may be later than it is due."""

_EXTRAS = {analysis.name: analysis.extra for analysis in ANALYSES}
_DUE = {analysis.name: analysis.every * SECOND + SLACK for analysis in ANALYSES}
"""Analysis → age (ns) from which its answer should be worked out again."""


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """A good answer of an analysis."""

    result: AnalysisResult
    as_of: int
    """The instant (ns) that it is about."""
    doubt: str = ""
    """Why there is no newer answer, or none over the whole history, if so."""


@dataclass(slots=True)
class AnswerReader:
    """Finds the answers of analyses. What failed is not tried again until the service tries it."""

    sources: OperationSources
    _kept: dict[tuple[str, int | None, float], tuple[int, KnownAnswer | str]] = field(default_factory=dict)
    """(Analysis, instant, growth) → when it was worked out here, and the answer or why it failed."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read_answer(self, name: str, at: int | None, growth: float = 0.0) -> KnownAnswer:
        """Return the answer of an analysis, now or at an instant (ns).

        Raises OperationError: ANALYSIS_OFF (too if it cannot answer about this store),
        ANALYSIS_NOT_INSTALLED, or ANALYSIS_STALE if it fails or is too old.
        """
        state = self.sources.findings()
        if name in state.switched_off:
            raise OperationError(
                ErrorCode.ANALYSIS_OFF, f"the analysis {name} is switched off", {"analysis": name}
            )
        if name in state.absent:
            raise OperationError(
                ErrorCode.ANALYSIS_OFF,
                f"the analysis {name} has no answer here: {state.absent[name]}",
                {"analysis": name, "reason": state.absent[name]},
            )
        if at is None and not growth:
            known = self._find_stored(state, name)
            if known is not None:
                return known if self.sources.is_followed else self._renew(known, name)
        if state.missing is not None:
            raise OperationError(
                ErrorCode.ANALYSIS_NOT_INSTALLED, state.missing, {"analysis": name, "extra": _EXTRAS[name]}
            )
        worked_out = self._work_out(name, at, growth)
        if isinstance(worked_out, KnownAnswer):
            return worked_out
        code = (
            ErrorCode.ANALYSIS_NOT_INSTALLED if "is not installed" in worked_out else ErrorCode.ANALYSIS_STALE
        )
        raise OperationError(
            code, f"the analysis fails: {worked_out}", {"analysis": name, "reason": worked_out}
        )

    def _find_stored(self, state: FindingsState, name: str) -> KnownAnswer | None:
        """Return the last good answer; None if the analysis was never tried. Raises OperationError."""
        result = state.results.get(name)
        if result is None:
            return None
        age = None if result.at is None else self.sources.clock() - result.at
        if result.at is not None and age is not None and age <= TOO_OLD:
            failed = f"the analysis fails: {result.error}" if result.error else result.shortened
            doubt = state.missing or failed
            return KnownAnswer(result, result.at, doubt)
        reason = state.missing or result.error or "no service has kept it up to date"
        old = f"its last good answer is {age / DAY:.0f} days old" if age else "there is no good answer yet"
        raise OperationError(
            ErrorCode.ANALYSIS_STALE,
            f"{old}: {reason}",
            {"analysis": name, "age_days": None if age is None else age / DAY, "reason": reason},
        )

    def _renew(self, known: KnownAnswer, name: str) -> KnownAnswer:
        """Return a new answer where no service makes one; if that fails the known one, with the reason."""
        is_settled = known.doubt not in {"", known.result.shortened}
        if is_settled or self.sources.clock() - known.as_of <= _DUE[name]:
            return known
        newer = self._work_out(name, None, 0.0)
        return (
            newer if isinstance(newer, KnownAnswer) else replace(known, doubt=f"the analysis fails: {newer}")
        )

    def _work_out(self, name: str, at: int | None, growth: float) -> KnownAnswer | str:
        """Return the answer of a process of its own, or why it failed; a failure is kept for a while."""
        key = name, at, growth
        with self._lock:
            now = self.sources.clock()
            worked_out, answer = self._kept.get(key, (None, ""))
            # The past does not change, but a process that failed may do better on a less busy machine.
            # So may one that ran out of time or memory and answered over fewer days.
            is_final = at is not None and isinstance(answer, KnownAnswer) and not answer.result.shortened
            if worked_out is not None and (is_final or now - worked_out < KEPT):
                return answer
            instant = now if at is None else at
            replies = self.sources.ask(
                AnalysisRequest(
                    self.sources.database,
                    instant,
                    (name,),
                    self.sources.zone,
                    self.sources.machine_memory,
                    growth,
                    self.sources.score_settings(),
                )
            )
            answer = replies if isinstance(replies, str) else "it gave no answer"
            for reply in () if isinstance(replies, str) else replies.replies:
                answer = reply.error or KnownAnswer(reply.to_result(instant), instant, reply.shortened)
            while len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = now, answer
            return answer
