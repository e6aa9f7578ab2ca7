//! A TCP fault proxy and a process killer for demos and tests.
