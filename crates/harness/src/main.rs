//! `share-chaos`.

fn main() {}
