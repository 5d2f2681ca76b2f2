//! What the crate does as a whole: outside vectors, and properties over random input.

mod bombs;
mod car;
mod ipld;
mod ipns;
mod reading;
mod recipes;
mod unixfs;
