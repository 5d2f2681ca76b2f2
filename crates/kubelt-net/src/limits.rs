//! Limits of what peers may cost.

use std::time::Duration;

/// Connections that may be open, both ways together.
pub(crate) const CONNECTIONS_MAX: usize = 1_000;
/// Connections that peers opened.
pub(crate) const CONNECTIONS_INCOMING_MAX: usize = 800;
/// Of them, those from one address, or from the network that one subscriber has.
pub(crate) const CONNECTIONS_PER_PLACE_MAX: usize = 16;
/// Of them, those through one relay.
pub(crate) const CONNECTIONS_PER_RELAY_MAX: usize = 64;
/// Connections that are being opened by peers.
pub(crate) const CONNECTIONS_PENDING_INCOMING_MAX: usize = 256;
/// Of them, those from one place.
pub(crate) const CONNECTIONS_PENDING_PER_PLACE_MAX: usize = 8;
/// Handshakes of peers that go on at once; with one more the oldest gives way of those that come from where most do. Fewer
/// than the connections that are being opened, which are counted until it is known that they came to nothing.
pub(crate) const HANDSHAKES_MAX: usize = 128;
/// How long one may take.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Bytes of one message of a WebSocket. Peers send what they write at once as one; what they encrypt is 64 KiB at most.
pub(crate) const SOCKET_MESSAGE_BYTES_MAX: usize = 1_024 * 1_024;
/// Connections that are being opened to peers.
pub(crate) const CONNECTIONS_PENDING_OUTGOING_MAX: usize = 256;
/// Connections with one peer.
pub(crate) const CONNECTIONS_PER_PEER_MAX: usize = 4;
/// How long a connection stays that nobody uses.
pub(crate) const CONNECTION_IDLE: Duration = Duration::from_secs(60);
/// Commands that wait for the task of the network.
pub(crate) const COMMANDS_WAITING_MAX: usize = 1_024;
/// Addresses of one peer that are remembered while it is connected.
pub(crate) const PEER_ADDRESSES_MAX: usize = 32;

/// Addresses of this node that peers name and others are asked to try.
pub(crate) const CANDIDATES_MAX: usize = 64;

/// Records of others that the DHT keeps here.
pub(crate) const RECORDS_MAX: usize = 100_000;
/// Their bytes.
pub(crate) const RECORDS_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// How long a record stays that nobody puts again.
pub(crate) const RECORD_LIFE: Duration = Duration::from_secs(48 * 60 * 60);
/// Keys of which providers are kept here.
pub(crate) const PROVIDER_KEYS_MAX: usize = 200_000;
/// Provider records of all keys together.
pub(crate) const PROVIDER_RECORDS_MAX: usize = 400_000;
/// Providers kept of one key.
pub(crate) const PROVIDERS_PER_KEY_MAX: usize = 64;
/// Keys that one peer may provide here.
pub(crate) const RECORDS_PER_PROVIDER_MAX: usize = 20_000;
/// Longest address of others that is kept, in bytes: one of version 6 through a relay, with two hashes of certificates.
pub(crate) const ADDRESS_BYTES_MAX: usize = 224;
/// Addresses of one peer that the DHT keeps and tells others.
pub(crate) const PEER_ADDRESSES_TOLD_MAX: usize = 8;
/// Bytes of all of them: an answer names 20 peers and up to 64 providers, and must fit into a message.
pub(crate) const PEER_ADDRESSES_TOLD_BYTES_MAX: usize = 640;
/// Longest message of the DHT that is read. Others give long answers where many provide something.
pub(crate) const DHT_MESSAGE_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of a key that has providers: a multihash.
pub(crate) const PROVIDED_KEY_BYTES_MAX: usize = 80;
/// How long a provider stays that does not announce itself again (Amino DHT).
pub(crate) const PROVIDER_LIFE: Duration = Duration::from_secs(48 * 60 * 60);
/// How long one walk through the DHT may take.
pub(crate) const WALK_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the record of a name is looked for; then the best one so far counts.
pub(crate) const RECORD_TIMEOUT: Duration = Duration::from_secs(10);
/// Records of one name after which the best one counts (as other implementations have it).
pub(crate) const RECORD_QUORUM: usize = 16;
/// Providers of one key that are told.
pub(crate) const PROVIDERS_FOUND_MAX: usize = 256;
/// Walks through the DHT at once.
pub(crate) const WALKS_MAX: usize = 256;
/// Peers of the routing table whose connections come from one network of providers: who has many addresses there must not
/// surround this node.
pub(crate) const ROUTED_PER_NETWORK_MAX: usize = 4;
/// How often the task looks at what has expired.
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// How often expired records are looked for.
pub(crate) const RECORDS_SWEPT_EVERY: Duration = Duration::from_secs(10 * 60);
/// How long the first pause is before a bootstrap peer is tried again; twice as long each time.
pub(crate) const BOOTSTRAP_RETRY_MIN: Duration = Duration::from_secs(2);
/// The longest pause.
pub(crate) const BOOTSTRAP_RETRY_MAX: Duration = Duration::from_secs(10 * 60);
/// Points of bad behaviour at which a peer is banned.
pub(crate) const BLAME_BANS_AT: u32 = 100;
/// How long a peer is banned.
pub(crate) const BAN: Duration = Duration::from_secs(60 * 60);
/// How long it takes until one point of blame is forgotten.
pub(crate) const BLAME_FORGOTTEN_EVERY: Duration = Duration::from_secs(30);
/// Peers whose bad behaviour is remembered.
pub(crate) const BLAMED_MAX: usize = 10_000;
/// How long a sweep through all keys takes: providers are forgotten after 48 hours (Amino DHT).
pub(crate) const ROUND: Duration = Duration::from_secs(22 * 60 * 60);
/// Steps of a sweep, at each of which all keys are read once.
pub(crate) const STEPS: u64 = 64;
/// Keys gathered at once; about 100 bytes each.
pub(crate) const GATHERED_KEYS_MAX: usize = 65_536;
/// How often new keys are looked for.
pub(crate) const NEWS_EVERY: Duration = Duration::from_secs(60);
/// How many times as long as looking for new keys took it is not done again.
pub(crate) const NEWS_COST_RATIO: u32 = 100;
/// Keys of which it is remembered that they were announced, eight bytes each.
pub(crate) const REMEMBERED_KEYS_MAX: usize = 4_000_000;
/// How long announcements may take to one peer.
pub(crate) const PUSH_TIMEOUT: Duration = Duration::from_secs(60);
/// Batches of announcements that wait for one peer.
pub(crate) const PUSHES_PER_PEER_MAX: usize = 8;
/// Rows of the node read at once when keys are gathered.
pub(crate) const GATHER_ROWS: usize = 1_024;
/// Keys in one batch of announcements.
pub(crate) const BATCH_KEYS_MAX: usize = 4_096;
/// Addresses that are announced with a key.
pub(crate) const ANNOUNCED_ADDRESSES_MAX: usize = 8;
/// How long announcing waits where it cannot go on.
pub(crate) const PROVIDE_RETRY: Duration = Duration::from_secs(30);
/// Streams that one peer may be opening at once: Kubo opens one for each message of bitswap.
pub(crate) const STREAMS_NEGOTIATED_MAX: usize = 256;
/// Streams of one connection over yamux; three less than would leave no room for windows to grow.
pub(crate) const YAMUX_STREAMS_MAX: usize = 4_093;
/// Bytes taken at once off a connection of the direct transport, and kept of what waits to be written to it.
pub(crate) const DIRECT_BUFFER_BYTES: usize = 256 * 1_024;
/// How long the TLS handshake of a direct connection may take.
pub(crate) const DIRECT_HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Such handshakes that go on at once.
pub(crate) const DIRECT_HANDSHAKES_MAX: usize = 64;
/// Streams for replication that a peer may have opened on one connection.
pub(crate) const REPLICATE_STREAMS_PER_CONNECTION_MAX: usize = 4;
/// Such streams that this node is about to open.
pub(crate) const REPLICATE_STREAMS_OPENING_MAX: usize = 256;
/// Ticks after which relays are asked again for a place, and nodes of the local network are connected to again.
pub(crate) const RETRY_TICKS: u64 = 30;
/// Bytes that a node which relays lets through one connection, each way: more than the largest block, or nothing would come of it.
pub(crate) const RELAY_CIRCUIT_BYTES_MAX: u64 = 4 * 1_024 * 1_024;
/// Addresses at which a stranger tries to reach a peer.
pub(crate) const STRANGER_ADDRESSES_MAX: usize = 4;
/// How long it tries each.
pub(crate) const STRANGER_DIAL_TIME: Duration = Duration::from_secs(3);
/// How long it waits for a block.
pub(crate) const STRANGER_BLOCK_TIME: Duration = Duration::from_secs(5);
/// How long others are asked who has something, for a receipt.
pub(crate) const HEARD_TIME: Duration = Duration::from_secs(15);
/// Peers that are connected to wherever they are, because the operator named them; and as many that the local network did.
pub(crate) const TOLD_PEERS_MAX: usize = 1_024;
/// Peers that are dialled at once because they are in the same local network.
pub(crate) const MDNS_DIALS_MAX: usize = 32;
