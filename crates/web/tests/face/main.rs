//! The HTTP face over real connections, in front of a backend in memory.

mod bodies;
mod bounds;
mod browsers;
mod client;
mod data;
mod double;
mod pages;
mod routes;
mod scene;
mod serving;
