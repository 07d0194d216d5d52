"""The formats of secrets: what keys, tokens and passwords look like in a text.

The prefixes and lengths are facts that the issuers of keys publish for secret scanners. A format with a
prefix is recognised by it. A format without needs a word beside it (``password=``) or a shape that plain
names do not have, such as 40 hexadecimal digits. Each pattern is tried only on texts that hold one of its
words, so that a plain text costs some substring searches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

STRUCK = "[redacted]"

SHORTEST_KEY = 12
"""Characters of the shortest key that is recognised by its prefix."""

SHORTEST_SHAPE = 40
"""Characters of the shortest key that is recognised by its shape alone."""

_BODY = "[A-Za-z0-9_-]"

_PREFIXED = re.compile(
    rf"""
      (?:sk|pk|rk)[-_](?:ant|live|test|proj|or|svcacct|admin|lf)[-_]{_BODY}{{12,}}  # models, payments
    | sk-(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{{20,}}
    | (?:gsk|hf|npm|r8|fw|nvapi|fc|e2b|sbp|vcp|nf[pcou])_(?=[A-Za-z]*[0-9]){_BODY}{{16,}}
    | (?:xai|pplx|tvly|nvapi|gsk|fc)-(?=[A-Za-z]*[0-9]){_BODY}{{16,}}
    | (?:whsec|rubygems|glsa|glc|figd|pnu|lsv2_[ps][tk]|lin_api|lin_oauth|esecret|ntn|napi|tfp)_{_BODY}{{16,}}
    | (?:shippo_(?:live|test)|dckr_[po]at|pscale_(?:tkn|pw|oauth)|do[opr]_v1)_{_BODY}{{16,}}
    | (?:sgp|sntry[su]|bkua|CCIPAT)_{_BODY}{{16,}} | (?:github_pat|gh[pousr])_{_BODY}{{20,}}
    | (?:shp(?:at|ca|pa|ss|ua)|aio|wandb_v1|duffel_(?:live|test)|ico|rdme|apify_api)_{_BODY}{{20,}}
    | secret_(?=[A-Za-z]*[0-9])[A-Za-z0-9]{{32,}} | essu_{_BODY}{{16,}}
    | gl(?:pat|dt|rt|ptt|cbt|soat|imt|ft|agent|oas|ffct|wt)-{_BODY}{{16,}}              # code hosts
    | xox[abceposr]-[A-Za-z0-9-]{{10,}} | xapp-[A-Za-z0-9-]{{10,}} | xwfp-[A-Za-z0-9-]{{10,}}     # chat
    | (?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{{16}}                                 # clouds
    | AIza{_BODY}{{30,}} | GOCSPX-{_BODY}{{20,}} | ya29\.{_BODY}{{20,}} | 1//0{_BODY}{{20,}}
    | LTAI[A-Za-z0-9]{{12,}} | AKID[A-Za-z0-9]{{13,}} | AQVN{_BODY}{{30,}}
    | [A-Za-z0-9]{{3}}[78]Q~[A-Za-z0-9._~-]{{31,34}} | v1\.0-[0-9a-f]{{24}}-[0-9a-f]{{32,}}
    | hv[sbr]\.{_BODY}{{20,}} | [A-Za-z0-9]{{14}}\.atlasv1\.\S+                         # vaults
    | AGE-SECRET-KEY-1[A-Z0-9]{{20,}} | ops_eyJ{_BODY}{{16,}} | A3-[A-Z0-9]{{6}}(?:-[A-Z0-9]{{5,11}}){{4,5}}
    | dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{{16,}} | pul-[0-9a-f]{{40}}
    | (?:ATATT|ATCTT|ATBB|ATSTT){_BODY}{{16,}} | AKCp{_BODY}{{10,}} | EAA[A-Za-z0-9]{{30,}}
    | dapi[0-9a-f]{{32}} | key-[0-9a-f]{{32}} | [0-9a-f]{{32}}-us\d{{1,2}} | (?:SK|AC)[0-9a-f]{{32}}
    | SG\.{_BODY}{{16,}}\.{_BODY}{{16,}} | xkeysib-[A-Za-z0-9-]{{32,}} | sq0[a-z]{{3}}-{_BODY}{{20,}}
    | PMAK-[A-Za-z0-9-]{{24,}} | NR(?:AK|II|JS|BR)-[A-Za-z0-9]{{16,}}
    | dt0[a-z]\d\d\.[A-Z0-9]{{8,}}\.[A-Z0-9]{{16,}}
    | tskey-[a-z]+-{_BODY}{{10,}} | HRKU-{_BODY}{{16,}} | CFPAT-{_BODY}{{20,}} | FLWSECK[_-]\S{{12,}}
    | fm[12][ar]?_[A-Za-z0-9+/=]{{16,}} | fo1_{_BODY}{{16,}} | pat[A-Za-z0-9]{{14}}\.[0-9a-f]{{32,}}
    | pypi-AgE{_BODY}{{16,}} | oy2[a-z0-9]{{43}} | cio[A-Za-z0-9]{{32}} | EZ[AT]K[A-Za-z0-9]{{30,}}
    | (?:sdk|mob|api)-[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}
    | eyJ{_BODY}{{8,}}\.{_BODY}{{8,}}\. | eyJrIjoi{_BODY}{{16,}}                        # JSON web tokens
    | [MNO][A-Za-z0-9_-]{{23,27}}\.[A-Za-z0-9_-]{{6}}\.[A-Za-z0-9_-]{{27,}}             # bots
    """,
    re.VERBOSE,
).match

_RUN = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.~+/-]{{{SHORTEST_KEY - 1},}}")
_PART = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]")

_DIGITS = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}|[0-9A-F]{40}|[0-9A-F]{64}|[0-9A-F]{128})(?![0-9A-Za-z])"
)
_LONG = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")

_NAME = r"""(?:pass(?:word|wd|phrase|code|key)?|pwd|secret|token(?!s|iz)|credentials?
    |(?:api|access|account|private|secret|signing|encryption|master|client|shared|app|license)[-_\ ]?key
    |auth[-_]?key|connection[-_]?string|_auth)"""


@dataclass(frozen=True, slots=True)
class _Rule:
    """A pattern with its words: lower-case texts, one of which is in every text that it matches.

    The group ``name``, if the pattern has it, stays in the text.
    """

    words: tuple[str, ...]
    pattern: re.Pattern[str]


def _compile_rule(words: str, pattern: str) -> _Rule:
    return _Rule(tuple(words.split(",")), re.compile(pattern, re.VERBOSE | re.IGNORECASE))


_RULES = (
    _compile_rule(
        "-----begin,putty", r"-----BEGIN[A-Z ]*PRIVATE\ KEY(?:\ BLOCK)?-----.*|PuTTY-User-Key-File.*"
    ),
    _compile_rule(
        "authorization,cookie,x-api-key,x-auth,private-token,x-vault",
        r"""(?P<name>\b(?:(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:[A-Za-z]+\s+)?
              |(?:x-api-key|x-auth-token|private-token|x-vault-token)["']?\s*[:=]\s*))\S+
          |\b(?:set-)?cookie["']?\s*[:=]\s*.+""",
    ),
    _compile_rule(
        "pass,pwd,secret,token,credential,key,string,_auth",
        rf"""(?P<name>{_NAME}[\w-]*["']?\s*(?::=|=>|[:=])\s*)(?:"[^"]*"?|'[^']*'?|[^\s,;&)}}]+)""",
    ),
    _compile_rule(
        "--pass,--pwd,--secret,--token,-pass,-token,-secret,-key",
        r"""(?P<option>(?<!\w)--?[\w-]*(?:pass(?:word|wd|phrase)?|pwd|secret|token|(?:api|access|private)-?key)\s+)
            (?!-)\S+""",
    ),
    _compile_rule(
        "-u,--user,--proxy-user",
        r"""(?:(?<=\s)|^)(?:-u|--user|--proxy-user)[\s=]*["']?[^\s:"']*:\S+""",
    ),
    _compile_rule(
        "bearer,basic,token,apikey",
        # With a digit or mixed letters, so that "basic documentation" stays.
        r"""\b(?:bearer|basic|token|apikey)\s+(?=\S*(?:[0-9=+/]|(?-i:[a-z][A-Z])))[A-Za-z0-9+/_.=-]{12,}""",
    ),
    _compile_rule("://", r"""[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s@]+@"""),
    _compile_rule(
        "?,&", r"""(?P<query>[?&](?:sig|signature|x-amz-signature|x-goog-signature|key|auth|code)=)[^\s&]+"""
    ),
    _compile_rule(
        "discord,hooks.slack,webhook,hooks.zapier",
        r"""https?://(?:[\w.-]*discord(?:app)?\.com/api/webhooks|hooks\.slack\.com/\w+
            |[\w.-]+\.webhook\.office\.com|outlook\.office\.com/webhook|hooks\.zapier\.com/hooks)/\S+""",
    ),
    _compile_rule("@", r"""\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+\b"""),
    _compile_rule(":", r"""\b\d{8,10}:[A-Za-z0-9_-]{35}"""),
)

PLAIN_ID = re.compile(
    r"(?!A3T|AKIA|ASIA|ABIA|ACCA|LTAI|AKID|AKCp)[0-9A-Za-z]{1,31}|toolu_[0-9A-Za-z_]{1,40}"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
"""Usual ids: short ones, those of tool calls, and UUIDs."""

_is_simple = re.compile(r"[A-Za-z0-9_. -]{0,11}").fullmatch
_has_sign = re.compile(r"[=:@]|--|-u|-----|\s").search


def strike_secrets(text: str) -> str:
    """Return the text with every secret and e-mail address replaced by ``STRUCK``."""
    if len(text) < SHORTEST_KEY and _is_simple(text):
        return text
    if _has_sign(text):
        lower = text.lower()
        for rule in _RULES:
            if any(word in lower for word in rule.words):
                text = rule.pattern.sub(_strike, text)
    if len(text) >= SHORTEST_KEY:
        text = _RUN.sub(_strike_key, text)
        if len(text) >= SHORTEST_SHAPE:
            text = _LONG.sub(_strike_mixed, _DIGITS.sub(STRUCK, text))
    return text


def _strike(match: re.Match[str]) -> str:
    """Return what stays of a match: the name of the secret, if there is one."""
    groups = match.groupdict()
    return next((name for name in groups.values() if name), "") + STRUCK


def _strike_key(match: re.Match[str]) -> str:
    run = match.group()
    return STRUCK if any(_PREFIXED(run, part.start()) for part in _PART.finditer(run)) else run


def _strike_mixed(match: re.Match[str]) -> str:
    """Strike a long run if it has digits, capital and small letters: plain names and hashes have not."""
    run = match.group()
    is_mixed = any(map(str.isdigit, run)) and run.lower() != run and run.upper() != run
    return STRUCK if is_mixed else run
