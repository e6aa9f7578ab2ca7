//! The rules of share sessions as a pure state machine: ledger, append path, claims, epochs.
