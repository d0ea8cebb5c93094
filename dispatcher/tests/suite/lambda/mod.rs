//! The function's door over the embedded backend: every event that AWS may hand to it.

mod world;

mod corpus;
mod http;
mod planning;
mod promises;
mod properties;
mod refused;
mod traces;
