"""Made-up secrets in the published formats of their issuers: none of them opens anything.

Each is put together here, so that no scanner of this repository takes it for a leak.
"""

from __future__ import annotations

from typing import Final

_MIXED = "aB3dE6gH9jK2mN5pQ8sT1vW4xY7zA0cD3fG6hJ9kL2nP5rS8uV1wX4yZ7bC0eF3"
_LOWER = "a3b6c9d2e5f8g1h4j7k0m3n6p9q2r5s8t1u4v7w0x3y6z9a2b5c8d1e4f7g0h3j6"
_HEX = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9"
_UPPER = _LOWER.upper()
_WORD = "hunter2Xq"
_UUID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"

SAMPLES: Final[dict[str, str]] = {
    # Model providers.
    "Anthropic": "sk-" + "ant-api03-" + _MIXED[:40],
    "OpenAI project": "sk-" + "proj-" + _MIXED[:40],
    "OpenAI": "sk-" + _MIXED[:48],
    "OpenAI service account": "sk-" + "svcacct-" + _MIXED[:40],
    "OpenRouter": "sk-" + "or-v1-" + _HEX,
    "Langfuse": "sk-" + "lf-" + _UUID,
    "LangSmith": "lsv2_" + "pt_" + _HEX[:32] + "_" + _HEX[:10],
    "Groq": "gsk_" + _MIXED[:52],
    "Hugging Face": "hf_" + _MIXED[:34],
    "Replicate": "r8_" + _MIXED[:37],
    "xAI": "xai-" + _MIXED[:60],
    "Perplexity": "pplx-" + _LOWER[:48],
    "Weights & Biases": "wandb_" + "v1_" + _MIXED[:40],
    # Code hosts, registries and builds.
    "GitHub personal": "ghp_" + _MIXED[:36],
    "GitHub OAuth": "gho_" + _MIXED[:36],
    "GitHub app": "ghs_" + _MIXED[:36],
    "GitHub fine-grained": "github_" + "pat_" + _MIXED[:22] + "_" + _MIXED[:40],
    "GitLab": "glpat-" + _MIXED[:20],
    "GitLab runner": "glrt-" + _MIXED[:20],
    "Bitbucket": "ATBB" + _MIXED[:28],
    "Atlassian": "ATATT" + "3xFfGF0" + _MIXED[:50],
    "npm": "npm_" + _MIXED[:36],
    "PyPI": "pypi-" + "AgEIcHlwaS5vcmc" + _MIXED[:50],
    "RubyGems": "rubygems_" + _HEX[:48],
    "Docker": "dckr_" + "pat_" + _MIXED[:27],
    "CircleCI": "CCIPAT_" + _MIXED[:22] + "_" + _HEX[:40],
    "Buildkite": "bkua_" + _HEX[:40],
    "Sourcegraph": "sgp_" + _HEX[:40],
    # Clouds and vaults.
    "AWS key id": "AKIA" + _UPPER[:16],
    "AWS temporary key id": "ASIA" + _UPPER[:16],
    "AWS secret key": _MIXED[:40],
    "Google API": "AIza" + _MIXED[:35],
    "Google client secret": "GOCSPX-" + _MIXED[:28],
    "Google OAuth": "ya29." + _MIXED[:60],
    "Azure client secret": "abC8Q~" + _MIXED[:34],
    "Alibaba": "LTAI" + _MIXED[:20],
    "DigitalOcean": "dop_" + "v1_" + _HEX,
    "Databricks": "dapi" + _HEX[:32],
    "Vault": "hvs." + _MIXED[:60],
    "Terraform": _MIXED[:14] + ".atlasv1." + _MIXED[:60],
    "Pulumi": "pul-" + _HEX[:40],
    "Doppler": "dp.pt." + _MIXED[:43],
    "age": "AGE-SECRET-" + "KEY-1" + _UPPER[:58],
    "Tailscale": "tskey-" + "auth-" + _MIXED[:12] + "-" + _MIXED[:24],
    "Fly.io": "FlyV1 fm2_" + _MIXED[:50],
    "PlanetScale": "pscale_" + "tkn_" + _MIXED[:43],
    "Supabase": "sbp_" + _HEX[:40],
    # Services.
    "Stripe": "sk_" + "live_" + _MIXED[:24],
    "Stripe webhook": "whsec_" + _MIXED[:32],
    "Slack bot": "xoxb-" + "123456789012-123456789012-" + _MIXED[:24],
    "Slack app": "xapp-" + "1-A0123456789-1234567890123-" + _HEX,
    "Slack webhook": "https://hooks.slack.com/" + "services/T01234567/B01234567/" + _MIXED[:24],
    "Discord bot": "M" + _MIXED[:25] + ".G" + _MIXED[:5] + "." + _MIXED[:38],
    "Discord webhook": "https://discord.com/api/" + "webhooks/123456789012345678/" + _MIXED[:60],
    "Telegram": "1234567890:" + "AA" + _MIXED[:33],
    "Twilio": "SK" + _HEX[:32],
    "SendGrid": "SG." + _MIXED[:22] + "." + _MIXED[:43],
    "Mailgun": "key-" + _HEX[:32],
    "Mailchimp": _HEX[:32] + "-us12",
    "Linear": "lin_" + "api_" + _MIXED[:40],
    "Notion": "ntn_" + _MIXED[:46],
    "Figma": "figd_" + _MIXED[:40],
    "Shopify": "shpat_" + _HEX[:32],
    "Square": "sq0csp-" + _MIXED[:43],
    "Postman": "PMAK-" + _HEX[:24] + "-" + _HEX[:34],
    "New Relic": "NRAK-" + _UPPER[:27],
    "Grafana": "glsa_" + _MIXED[:32] + "_" + _HEX[:8],
    "Sentry": "sntrys_" + _MIXED[:60],
    "Dynatrace": "dt0c01." + _UPPER[:24] + "." + _UPPER[:60],
    "LaunchDarkly": "sdk-" + _UUID,
    "Airtable": "pat" + _MIXED[:14] + "." + _HEX,
    # Shapes.
    "JSON web token": "eyJ" + _MIXED[:20] + ".eyJ" + _MIXED[:40] + "." + _MIXED[:43],
    "40 hexadecimal digits": _HEX[:40],
    "64 hexadecimal digits": _HEX,
    "private key": "-----BEGIN " + "RSA PRIVATE KEY-----MIIEow" + _WORD,
    # Named by a word beside them.
    "DB_PASSWORD": "DB_PASSWORD=" + _WORD,
    "PGPASSWORD": "PGPASSWORD=" + _WORD,
    "OPENAI_API_KEY": "OPENAI_API_KEY=" + _WORD,
    "client_secret": "client_secret: " + _WORD,
    "JSON password": '{"password":"' + _WORD + '"}',
    "_authToken": "//registry.example.org/:_authToken=" + _WORD,
    "option": "--password " + _WORD,
    "option with equals": "--api-key=" + _WORD,
    "curl user": "curl -u admin:" + _WORD,
    "authorization token": "Authorization: token " + _WORD,
    "authorization bearer": "Authorization: Bearer " + _MIXED[:30],
    "x-api-key": "X-Api-Key: " + _WORD,
    "cookie": "Cookie: session=" + _WORD,
    "URL with password only": "redis://:" + _WORD + "@cache.example.org:6379/0",
    "URL with user": "postgres://app:" + _WORD + "@db.example.org/app",
    "signed URL": "https://files.example.org/a?sig=" + _WORD + "&se=2",
    "basic login": "Basic " + "QWxhZGRpbjpvcGVuc2VzYW1l",
    "e-mail address": _WORD + "@mail.example.org",
}  # fmt: skip
"""Name → a text with a secret of that format."""


def find_secret_part(sample: str) -> str:
    """Return the part of a sample that must be seen nowhere."""
    for part in (_WORD, "QWxhZGRpbjpvcGVuc2VzYW1l"):
        if part in sample:
            return part
    # The body of a key, without its published prefix: twelve characters in its middle.
    middle = len(sample) // 2
    return sample[middle - 6 : middle + 6]
