//! One suite over both engines, and what only a real disk can show.

mod disk;
mod full;
mod kill;
mod model;
mod suite;
mod world;
