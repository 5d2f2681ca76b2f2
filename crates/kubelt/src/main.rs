//! `kubelt`: a node that hosts cores, and the command line that is a client of a node's API.

#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "for the command line, which comes next"))]
mod keystore;

fn main() {}
