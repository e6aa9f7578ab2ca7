//! The Cap'n Proto schema of share sessions and its one conversion to and from the model.
