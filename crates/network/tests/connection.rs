//! A server's side of a connection against a peer that writes its messages by hand, over a pipe in
//! memory and under paused time.

#[cfg(test)]
mod connection {
    mod answering;
    mod asking;
    mod ending;
    mod mutated;
    mod patience;
    mod peer;
    mod proving;
    mod service;
    mod sizes;
    mod world;
}
