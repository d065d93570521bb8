#!/usr/bin/env bash
# Puts the C library of a later Debian release into a folder of its own, beside the system's, so that a prebuilt
# program which asks for it can be started through the loader in that folder. Nothing outside the folder changes.
# Packages come from wherever this machine's own apt gets its packages, checked against the same keys.
# Usage: newer-c-library.sh FOLDER [RELEASE]. Prints the loader's path.
set -euo pipefail

folder=${1:?usage: newer-c-library.sh FOLDER [RELEASE]}
wanted=${2:-trixie}
present=$(. /etc/os-release && echo "${VERSION_CODENAME:?this is not a Debian release}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{sources,lists/partial,archives/partial,packages,root}

# Only sources that carry this release's own suites are of use: others have no such suite for the later release.
number=0
while IFS= read -r file; do
  number=$((number + 1))
  case $file in
    *.sources)
      grep -qE "^Suites:(.*[[:space:]])?$present([[:space:]]|$)" "$file" || continue
      sed -E "/^Suites:/ s/(^|[[:space:]])$present/\1$wanted/g" "$file" >"$work/sources/$number.sources"
      ;;
    *)
      grep -E "^deb .*[[:space:]]$present[[:space:]]" "$file" |
        sed -E "s/([[:space:]])$present([[:space:]])/\1$wanted\2/" >"$work/sources/$number.list" || true
      ;;
  esac
done < <(find /etc/apt/sources.list /etc/apt/sources.list.d -type f \( -name '*.list' -o -name '*.sources' \) 2>/dev/null)

apt=(apt-get -qq
  -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/sources"
  -o Dir::State::lists="$work/lists" -o Dir::Cache::archives="$work/archives"
  -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 -o APT::Sandbox::User="$(id -un)")
"${apt[@]}" update >&2
(cd "$work/packages" && "${apt[@]}" download libc6 libgcc-s1 libstdc++6 >&2)
for package in "$work"/packages/*.deb; do dpkg-deb --extract "$package" "$work/root"; done

# The folder appears whole or not at all, whoever else is doing the same at the moment.
mkdir -p "$(dirname "$folder")"
staged=$(mktemp -d "$folder.XXXXXX")
mv "$work/root" "$staged/root"
if ! mv -T "$staged/root" "$folder" 2>/dev/null && ! [ -d "$folder" ]; then
  echo "cannot write to $folder" >&2
  exit 1
fi
rm -rf "$staged"
find "$folder/" -name 'ld-linux-*.so.*' -path '*/lib/*-linux-gnu/*' | head -n 1
