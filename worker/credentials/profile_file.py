"""Profile files: `~/.aliyun/config.json` of Alibaba Cloud CLI, and the ini file of the credentials libraries."""

import configparser
import json
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worker.credentials.source import Surroundings
from worker.errors import UsageError

_PROFILE = "ALIBABA_CLOUD_PROFILE"
_INI_FILE = "ALIBABA_CLOUD_CREDENTIALS_FILE"
# The ini file has names of its own for the same things.
_INI_MODES = {
    "access_key": "AK",
    "sts": "StsToken",
    "ram_role_arn": "RamRoleArn",
    "ecs_ram_role": "EcsRamRole",
    "oidc_role_arn": "OIDC",
    "credentials_uri": "CredentialsURI",
}
_INI_NAMES = {
    "role_arn": "ram_role_arn",
    "role_session_name": "ram_session_name",
    "role_name": "ram_role_name",
    "oidc_token_file_path": "oidc_token_file",
    "security_token": "sts_token",
    "role_session_expiration": "expired_seconds",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A profile as it stands in a file; `mode` and the names of `fields` are those of Alibaba Cloud CLI."""

    name: str
    mode: str
    fields: Mapping[str, str] = field(repr=False)

    def get(self, name: str) -> str:
        """A field, empty where it is not there."""
        return self.fields.get(name, "").strip()

    @property
    def is_blank(self) -> bool:
        """Whether this is the profile that the CLI writes before anybody has configured it."""
        return self.mode.lower() in ("", "ak") and not (self.get("access_key_id") or self.get("access_key_secret"))


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles of a file, by name; `current` is the one to use."""

    current: str
    entries: Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """A file that may be there, and how to read it."""

    path: str
    parse: Callable[[str, str], Profiles] = field(repr=False)
    wanted: str

    def read(self) -> Profiles | None:
        """What the file holds now; None if it is not there.

        Raises:
            UsageError: It cannot be read. Its content is not shown.
        """
        try:
            text = Path(self.path).read_text(encoding="utf-8-sig")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
            reason = f"the profile file {self.path} cannot be read: {said}"
            raise UsageError(reason, "make it readable, or choose other `credentials`") from None
        return self.parse(text, self.wanted)

    def wrong(self, what: str) -> UsageError:
        """The error of a file that holds something else."""
        return UsageError(f"the profile file {self.path} {what}", "run `aliyun configure`, or correct the file")

    def find(self) -> Entry | None:
        """The profile to use; None if the file or the profile is not there, or nobody has filled it in.

        Raises:
            UsageError: The file cannot be read.
        """
        profiles = self.profiles()
        entry = profiles.entries.get(profiles.current) if profiles else None
        return None if entry is None or entry.is_blank else entry

    def profiles(self) -> Profiles | None:
        """What the file holds now; None if it is not there.

        Raises:
            UsageError: It cannot be read, or is no profile file.
        """
        try:
            return self.read()
        except (
            ValueError,
            RecursionError,
            configparser.Error,
        ) as error:  # neither text may be shown: it quotes the file
            line = getattr(error, "lineno", None)
            raise self.wrong(f"cannot be read as such{f', line {line}' if line else ''}") from None


def profile_files(surroundings: Surroundings) -> list[ProfileFile]:
    """The files to look into, in their order, by the variables of the official tools."""
    wanted, home = surroundings.value(_PROFILE), surroundings.home
    if surroundings.is_on("ALIBABA_CLOUD_IGNORE_PROFILE"):
        return []
    files = []
    if not surroundings.is_on("ALIBABA_CLOUD_CLI_PROFILE_DISABLED"):
        files.append(ProfileFile(posixpath.join(home, ".aliyun/config.json"), _parse_json, wanted))
    named = surroundings.value(_INI_FILE)
    # The libraries for Python and Java look for the first name, that for Go for the second.
    usual = [posixpath.join(home, ".alibabacloud", name) for name in ("credentials.ini", "credentials")]
    ini = [named] if named else usual
    return files + [ProfileFile(path, _parse_ini, wanted or "default") for path in ini]


def _parse_json(text: str, wanted: str) -> Profiles:
    found = json.loads(text)
    listed = found.get("profiles") if isinstance(found, dict) else None
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        message = "no profiles"
        raise ValueError(message)
    entries: dict[str, Entry] = {}
    for item in listed:
        fields = {name: _as_text(value) for name, value in item.items()}
        entries.setdefault(fields.get("name", ""), Entry(fields.get("name", ""), fields.get("mode", ""), fields))
    return Profiles(wanted or str(found.get("current") or ""), entries)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else ""


def _parse_ini(text: str, wanted: str) -> Profiles:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    entries = {}
    for name in parser.sections():
        raw = {key: value.partition("#")[0].strip() for key, value in parser.items(name)}
        if raw.get("enable", "true").lower() == "false":
            continue
        kind = raw.get("type", "")
        fields = {_INI_NAMES.get(key, key): value for key, value in raw.items()}
        entries[name] = Entry(name, _INI_MODES.get(kind, kind), fields)
    return Profiles(wanted, entries)
