// What is imported. The same recipes stand in `crates/kubelt-content/tests/it/recipes.rs`.

export const KIB = 1024
export const MIB = 1024 * KIB

// The options of the importer that express a profile. The two named by IPIP-499 are profiles of the importer
// itself; the third is what it does when it is told nothing but these numbers.
export const PROFILES = {
  'unixfs-v1-2025': { chunk: MIB, width: 1024, rule: 'block-bytes', cidVersion: 1, named: 'unixfs-v1-2025' },
  'unixfs-v1-legacy': { chunk: 256 * KIB, width: 174, rule: 'links-bytes', cidVersion: 1, rawLeaves: true },
  'unixfs-v0-2015': { chunk: 256 * KIB, width: 174, rule: 'links-bytes', cidVersion: 0, named: 'unixfs-v0-2015' }
}

// Files whose bytes are the first of the stream.
export function fileSizes ({ chunk, width }) {
  const boundaries = [chunk, 2 * chunk]
  if (width * chunk <= 64 * MIB) {
    boundaries.push(width * chunk, (width + 1) * chunk, 2 * width * chunk)
  }
  const around = boundaries.flatMap(size => [size - 1, size, size + 1])
  return [0, 1, 2, 100, 1000, ...around, 10 * chunk + 12_345, 200_000_000]
}

// Files of one chunk of the stream repeated, and then some of its bytes: deeper DAGs than files of any random
// bytes that are worth their time. No size lies between 2 and 4 GiB: there the importer writes integers of UnixFS
// that nobody can read back, itself included.
export function repeatedChunks ({ width }) {
  const cases = []
  for (const chunks of [width, width + 1, 5 * width, 5 * width + 1]) {
    cases.push({ chunks, tail: 0 }, { chunks, tail: 1 })
  }
  if (width < 1000) {
    cases.push({ chunks: width * width, tail: 0 }, { chunks: width * width, tail: 1 }, { chunks: width * width + width, tail: 7 })
  }
  return cases
}

export const NAMES = {
  short: index => `${index}`,
  padded: index => `entry-${String(index).padStart(6, '0')}.txt`,
  varied: index => `${index}-${'x'.repeat((index * 31) % 120)}`,
  unicode: index => `ä${index}-日本語-🦀`
}

// Bytes of file `index` of a directory: the first of the stream.
export const contentLength = index => (index * 37) % 300

// A directory is a recipe; the first byte of a name that is too long to be part of the pattern is `~`.
export function directories (profile) {
  const cases = []
  for (const names of Object.keys(NAMES)) {
    for (const count of [0, 1, 2, 10, 300, 1_000, 20_000]) {
      cases.push({ names, count })
    }
  }
  // Every size at which the kinds of names go over the threshold, by one entry.
  for (const names of Object.keys(NAMES)) {
    const count = lastFlat(profile, names)
    cases.push({ names, count }, { names, count: count + 1 })
  }
  // The threshold to the byte: same entries and one name that fills up.
  for (const bytes of [-1, 0, 1]) {
    cases.push(filled(profile, 256 * KIB + bytes))
  }
  return cases
}

// The largest number of entries whose size, by the rule of the profile, is not over 256 KiB. It only chooses
// what is tried; which form a directory takes is the importer's own judgement.
function lastFlat (profile, names) {
  let size = profile.rule === 'block-bytes' ? 4 : 0
  for (let index = 0; ; index++) {
    size += entrySize(profile, NAMES[names](index), contentLength(index))
    if (size > 256 * KIB) {
      return index
    }
  }
}

function filled (profile, target) {
  let size = profile.rule === 'block-bytes' ? 4 : 0
  let count = 0
  for (; ; count++) {
    const next = entrySize(profile, NAMES.padded(count), contentLength(count))
    // Leave between 200 and 400 bytes for the last name.
    if (size + next > target - 300) {
      break
    }
    size += next
  }
  for (let filler = 1; filler < 1000; filler++) {
    if (size + entrySize(profile, '~'.repeat(filler), 0) === target) {
      return { names: 'padded', count, filler }
    }
  }
  throw new Error(`no name fills ${target} bytes`)
}

function entrySize (profile, name, content) {
  const cid = profile.cidVersion === 0 ? 34 : 36
  const nameBytes = Buffer.byteLength(name)
  if (profile.rule === 'links-bytes') {
    return nameBytes + cid
  }
  const link = 2 + cid + 1 + varint(nameBytes) + nameBytes + 1 + varint(content)
  return 1 + varint(link) + link
}

function varint (value) {
  return value < 128 ? 1 : value < 16_384 ? 2 : 3
}

// Directories in directories, and symbolic links. None holds thousands of directories itself: the importer counts
// directories that it has not written yet as nothing and keeps such a directory in one block, however large, where
// IPIP-499 says that the size of the whole block decides. A path maps to the length of a file, or to a link.
export function trees () {
  const small = {}
  for (let a = 0; a < 4; a++) {
    for (let b = 0; b < 5; b++) {
      for (let c = 0; c < 6; c++) {
        small[`d${a}/e${b}/f${c}.bin`] = 1000 * a + 100 * b + c
      }
    }
  }
  const mixed = { 'readme.md': 5_000, 'video.bin': 3_000_000, 'a b/ü/#?.txt': 3, 'link': '../a b/ü' }
  for (let index = 0; index < 7_000; index++) {
    mixed[`big/${NAMES.padded(index)}`] = contentLength(index)
  }
  return { small, mixed }
}

// A stream of bytes that both sides make: xorshift32 from 1, little-endian.
export class Stream {
  #state = 1

  fill (bytes) {
    if (bytes.length % 4 !== 0) {
      throw new Error('the stream is filled by whole words')
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let state = this.#state
    for (let at = 0; at < bytes.length; at += 4) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      view.setUint32(at, state >>> 0, true)
    }
    this.#state = state
    return bytes
  }
}
