//! What outside implementations and specifications say, and what the crate's parts do together.

mod identity_vectors;
