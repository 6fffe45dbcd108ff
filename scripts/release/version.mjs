// Versions and the changelog's sections: text in, text out.

const SEMVER = /^(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?$/

export const isVersion = (text) => SEMVER.test(text)

/** @param to `patch`, `minor`, `major`, or a version, which must be higher than `from` */
export function nextVersion(from, to) {
  const [major, minor, patch] = SEMVER.exec(from).slice(1, 4).map(Number)
  const steps = {
    patch: `${major}.${minor}.${patch + 1}`,
    minor: `${major}.${minor + 1}.0`,
    major: `${major + 1}.0.0`,
  }
  const version = steps[to] ?? to
  if (!isVersion(version)) throw new Error(`${to} is no version, nor patch, minor or major.`)
  if (compareVersions(version, from) < 0) throw new Error(`${version} is lower than ${from}.`)
  return version
}

/** By precedence: 1.0.0-rc.1 comes before 1.0.0. */
export function compareVersions(a, b) {
  const [left, right] = [SEMVER.exec(a), SEMVER.exec(b)]
  for (let i = 1; i <= 3; i++) {
    if (left[i] !== right[i]) return Number(left[i]) - Number(right[i])
  }
  if (left[4] === right[4]) return 0
  if (!left[4] || !right[4]) return left[4] ? -1 : 1
  return left[4].localeCompare(right[4], 'en', { numeric: true })
}

/** The text of a version's section, without its heading; undefined if there is none. */
export function changelogSection(changelog, version) {
  const lines = changelog.split('\n')
  const start = lines.findIndex((line) => line.startsWith(`## [${version}]`))
  if (start < 0) return undefined
  const end = lines.findIndex((line, i) => i > start && /^(## |\[[^\]]+\]: )/.test(line))
  return lines
    .slice(start + 1, end < 0 ? undefined : end)
    .join('\n')
    .trim()
}

/** What is unreleased becomes the version's section, below a new, empty one. @param date YYYY-MM-DD */
export function releaseChangelog(changelog, version, date) {
  const unreleased = changelogSection(changelog, 'Unreleased')
  if (!unreleased) throw new Error('CHANGELOG.md has nothing under [Unreleased].')
  if (changelogSection(changelog, version) !== undefined) {
    throw new Error(`CHANGELOG.md has a section [${version}] already.`)
  }
  return changelog.replace(/^## \[Unreleased\].*$/m, `## [Unreleased]\n\n## [${version}] - ${date}`)
}
