//! Values of share sessions and their algebra: ids, ops, document, limits, refusals, refs.
