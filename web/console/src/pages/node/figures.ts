/** Figures of a node in the Prometheus text format, and how they go over time. */

/** A figure at one moment. */
export interface Sample {
  readonly at: number
  readonly figures: ReadonlyMap<string, number>
}

/** The sum of each figure over its labels. */
export function readFigures(text: string): Map<string, number> {
  const figures = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const found = /^([a-zA-Z_:][\w:]*)(?:\{[^}]*\})? ([-+.\deE]+)/.exec(line)
    const [, name, value] = found ?? []
    if (name === undefined || value === undefined || !Number.isFinite(Number(value))) continue
    figures.set(name, (figures.get(name) ?? 0) + Number(value))
  }
  return figures
}

/** A figure over the samples. */
export function series(samples: readonly Sample[], name: string): number[] {
  return samples.flatMap(({ figures }) => figures.get(name) ?? [])
}

/** How much a counter grew in a second, from one sample to the next. */
export function rates(samples: readonly Sample[], name: string): number[] {
  return samples.slice(1).flatMap((sample, i) => {
    const before = samples[i] as Sample
    const [from, to] = [before.figures.get(name), sample.figures.get(name)]
    const seconds = (sample.at - before.at) / 1000
    return from === undefined || to === undefined || seconds <= 0 ? [] : [Math.max(0, to - from) / seconds]
  })
}

/** A line through values, in a box. */
export function linePath(values: readonly number[], width: number, height: number): string {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const step = values.length > 1 ? width / (values.length - 1) : 0
  const y = (value: number) => (high === low ? height / 2 : height - ((value - low) / (high - low)) * height)
  return values.map((value, i) => `${i === 0 ? 'M' : 'L'}${(i * step).toFixed(1)} ${y(value).toFixed(1)}`).join('')
}

export type Transport = 'quic' | 'tcp' | 'websocket' | 'webrtc' | 'relay' | 'other'

/** By which way a link goes, from an address of it. */
export function transportOf(addresses: readonly string[]): Transport {
  const [address = ''] = addresses
  if (address.includes('/p2p-circuit')) return 'relay'
  if (address.includes('/quic')) return 'quic'
  if (address.includes('/webrtc')) return 'webrtc'
  if (/\/wss?(\/|$)/.test(address)) return 'websocket'
  return address.includes('/tcp/') ? 'tcp' : 'other'
}

/** How far from the middle a peer stands, from 0 to 1: by its ping, on a scale of powers. */
export function distanceOf(pingMs: number | null | undefined): number {
  if (pingMs === null || pingMs === undefined) return 1
  return Math.min(1, Math.max(0, Math.log10(Math.max(pingMs, 0.1) * 10) / 4))
}
