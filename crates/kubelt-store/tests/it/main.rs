//! One suite over both engines, and what only a real disk can show.

mod suite;
mod world;
