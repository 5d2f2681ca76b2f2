import { generatePrivateKey } from 'viem/accounts'
import {
  askOthers,
  bindHost,
  Client,
  Core,
  type CoreId,
  createCore,
  createDeviceKey,
  format,
  grantRole,
  keySigner,
  principalOf,
  type Session,
  Session as Sessions,
  type Signer,
  seal,
  setGate,
} from '../../sdk/src/index.js'

/** Somebody who works by a program, beside the browser. */
export interface Person {
  readonly signer: Signer
  readonly own: Core
}

/** A shared core and its people. */
export interface Team {
  readonly id: CoreId
  /** The core as its owner has it. */
  readonly core: Core
  readonly bob: Person
}

export async function person(url: string, secret: string = generatePrivateKey()): Promise<Person> {
  const signer = keySigner(secret)
  return { signer, own: await Core.open(await Sessions.signIn(new Client(url), signer)) }
}

/** A core as somebody has it who signs in to it. */
export async function openAs({ signer, own }: Person, id: CoreId): Promise<Core> {
  const session: Session = await own.session.renew(signer, { cores: [{ core: id }] })
  const core = await Core.open(session, { core: id })
  await core.sync()
  return core
}

/** Makes a shared core of one owner with members of every kind, and something that waits for the owner. */
export async function makeTeam(url: string, secret: string): Promise<Team> {
  const [ann, bob, carol] = [await person(url, secret), await person(url), await person(url)]
  const { id } = await createCore(ann.own, ann.signer, { name: 'acme', title: 'Acme Corp' })
  await ann.own.sync()
  const core = await openAs(ann, id)
  const give = (part: Parameters<typeof grantRole>[2]) => grantRole(core, ann.signer, part)
  await give({ to: carol.signer.account, role: 'developer' })
  await give({ to: [ann.signer.account, bob.signer.account], threshold: 2, role: 'owner' })
  const press = [ann.signer.account, bob.signer.account, carol.signer.account]
  await give({ to: press, threshold: 2, role: 'press', can: ['put content/press/**', 'read content/**'] })
  await core.sync()
  await fill(core, ann, bob)
  await askAs(await openAs(bob, id))
  await core.sync()
  return { id, core, bob }
}

/** A child, a gate, rules of exposure, a host name, sealed content. */
async function fill(core: Core, ann: Person, bob: Person): Promise<void> {
  await createCore(core, ann.signer, { name: 'widget', title: 'Widgets' })
  await core.put('config/exposure/drafts', { http: false })
  const contract = '0xbc4ca0eda7647a8ab7c2061c2e118a18a936f13d'
  await setGate(core, 'holders', {
    opens: ['content/vip/**', 'cores/widget'],
    if: { any: [{ erc721: { chain: 1, contract } }, { not: { erc20: { chain: 8453, contract, min: '1000000' } } }] },
  })
  await bindHost(core, 'widgets.acme.example')
  const home = await Core.open(core.session)
  await home.sync()
  await createDeviceKey(home, ann.signer, 'desk')
  await home.sync()
  await createDeviceKey(bob.own, bob.signer, 'phone')
  await bob.own.sync()
  await seal(core, 'box/plan.txt', 'meet at noon', { to: [bob.signer.account] })
  await core.sync()
}

/** What waits: for a vote of the session, and for one of the wallet. */
async function askAs(asBob: Core): Promise<void> {
  await asBob.content.put('press/release.md', '# We are open\n', { visibility: 'public', ask: true })
  const can = ['read content/**'].map(format.parseAbility)
  const to = principalOf(['0x00000000000000000000000000000000000000aa'])
  await askOthers(asBob, { verb: 'grant', to, as: 'reader', can }, { title: 'Let our printer in' })
  await asBob.sync()
}
