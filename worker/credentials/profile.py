"""A profile as a source of keys: what each mode means. The file is read anew each time: its keys may have changed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.credentials.external import External
from worker.credentials.metadata import from_machine
from worker.credentials.profile_file import Entry, ProfileFile, Profiles, profile_files
from worker.credentials.source import Fixed, Lease, Source, Surroundings, access_key
from worker.credentials.sts import DEFAULT_S, SESSION, AssumedRole, PodRole, Role, sts_url
from worker.credentials.uri import CredentialsUri
from worker.errors import UsageError

_NO_PROCESSES = "ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS"


@dataclass(frozen=True, slots=True)
class Profile:
    """The current profile of a file."""

    file: ProfileFile
    name: str
    surroundings: Surroundings = field(repr=False)

    async def fetch(self) -> Lease:
        """Read the file, and get what its profile says."""
        profiles = await asyncio.to_thread(self.file.profiles)
        entry = profiles.entries.get(profiles.current) if profiles else None
        if profiles is None or entry is None:
            raise self.file.wrong("has no such profile any more")
        return await _Modes(self.file, profiles, self.surroundings).source(entry).fetch()


def from_profiles(surroundings: Surroundings) -> Profile | list[str]:
    """The profile to use, or where none was found.

    Raises:
        UsageError: A file cannot be read, or the profile in it cannot be used.
    """
    files = profile_files(surroundings)
    for file in files:
        if (entry := file.find()) is not None and (profiles := file.profiles()) is not None:
            _Modes(file, profiles, surroundings).source(entry)
            return Profile(file, f"profile {entry.name} of {file.path} ({entry.mode})", surroundings)
    wanted = surroundings.value("ALIBABA_CLOUD_PROFILE")
    return [f"{file.path} (no profile{f' {wanted}' if wanted else ''})" for file in files] or ["profiles (disabled)"]


class _Modes:
    """Builds the source of an entry; entries may name one another."""

    def __init__(self, file: ProfileFile, profiles: Profiles, surroundings: Surroundings) -> None:
        self._file = file
        self._profiles = profiles
        self._surroundings = surroundings
        self._seen: list[str] = []
        self._modes: dict[str, Callable[[Entry], Source]] = {
            "ak": self._key,
            "ststoken": self._temporary_key,
            "ramrolearn": lambda entry: self._role(entry, self._key(entry)),
            "chainableramrolearn": lambda entry: self._role(entry, self._previous(entry)),
            "ecsramrole": lambda entry: from_machine(self._surroundings, entry.get("ram_role_name")),
            "oidc": self._oidc,
            "credentialsuri": self._uri,
            "external": self._external,
        }

    def source(self, entry: Entry) -> Source:
        """The source that the mode of an entry means; the CLI takes modes in any case.

        Raises:
            UsageError: The mode is not supported, or lacks a field.
        """
        make = self._modes.get(entry.mode.lower())
        if make is None:
            reason = f"profile {entry.name!r} of {self._file.path} has the mode {entry.mode!r}, which is not supported"
            mend = "use AK, StsToken, RamRoleArn, ChainableRamRoleArn, EcsRamRole, OIDC, CredentialsURI or External"
            raise UsageError(reason, mend)
        return make(entry)

    def _needed(self, entry: Entry, *names: str) -> list[str]:
        if missing := [name for name in names if not entry.get(name)]:
            raise self._file.wrong(f"lacks {' and '.join(missing)} in its profile {entry.name!r}")
        return [entry.get(name) for name in names]

    def _place(self, entry: Entry) -> str:
        return f"the profile {entry.name!r} of {self._file.path}"

    def _key(self, entry: Entry) -> Source:
        key_id, secret = self._needed(entry, "access_key_id", "access_key_secret")
        return Fixed(self._place(entry), access_key(key_id, secret, "", self._place(entry)))

    def _temporary_key(self, entry: Entry) -> Source:
        key_id, secret, token = self._needed(entry, "access_key_id", "access_key_secret", "sts_token")
        return Fixed(self._place(entry), access_key(key_id, secret, token, self._place(entry)))

    def _previous(self, entry: Entry) -> Source:
        (name,) = self._needed(entry, "source_profile")
        self._seen.append(entry.name)
        previous = self._profiles.entries.get(name)
        if previous is None or name in self._seen:
            raise self._file.wrong(f"names in its profile {entry.name!r} a source_profile that is not there, or itself")
        return self.source(previous)

    def _assumed(self, entry: Entry) -> Role:
        (arn,) = self._needed(entry, "ram_role_arn")
        seconds = entry.get("expired_seconds")
        if seconds and not (seconds.isascii() and seconds.isdigit()):
            raise self._file.wrong(f"has in its profile {entry.name!r} an expired_seconds that is no number")
        # The CLI writes the first name for every mode, one library reads the second for OIDC.
        session = entry.get("ram_session_name") or entry.get("role_session_name") or SESSION
        return Role(arn, session, int(seconds or 0) or DEFAULT_S, entry.get("policy"), entry.get("external_id"))

    def _sts(self, entry: Entry) -> str:
        return sts_url(self._surroundings, entry.get("sts_region"), vpc=entry.get("enable_vpc") == "true")

    def _role(self, entry: Entry, previous: Source) -> Source:
        return AssumedRole(self._assumed(entry), previous, self._sts(entry), self._surroundings)

    def _oidc(self, entry: Entry) -> Source:
        provider, file = self._needed(entry, "oidc_provider_arn", "oidc_token_file")
        return PodRole(self._assumed(entry), provider, file, self._sts(entry), self._surroundings)

    def _uri(self, entry: Entry) -> Source:
        self._check_allowed(entry)
        (uri,) = self._needed(entry, "credentials_uri")
        return CredentialsUri(uri, self._surroundings)

    def _external(self, entry: Entry) -> Source:
        self._check_allowed(entry)
        (command,) = self._needed(entry, "process_command")
        return External(command, self._surroundings)

    def _check_allowed(self, entry: Entry) -> None:
        if self._surroundings.is_on(_NO_PROCESSES):
            reason = f"{_NO_PROCESSES} forbids the mode {entry.mode} of {self._place(entry)}"
            raise UsageError(reason, "unset it, or use another mode")
