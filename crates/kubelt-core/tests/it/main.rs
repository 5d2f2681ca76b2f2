//! What outside implementations and specifications say, and what the crate's parts do together: the log over
//! random histories.

mod dice;
mod history;
mod hostile_blocks;
mod identity_vectors;
mod naive;
mod network;
mod passkeys;
mod properties;
mod signed;
mod simulation;
mod thresholds;
mod written_vectors;
