//! Which rule of the document's algebra a mutation breaks.

use share_model::MutationError;

use super::error::{WireError, WireFault};
use super::field::known;
use crate::op_capnp::mutation_error::{self, Rule};

pub(super) fn read_mutation_error(
    reader: mutation_error::Reader<'_>,
) -> Result<MutationError, WireError> {
    let (actual, max) = (reader.get_actual(), reader.get_max());
    let field = "invalidMutation.rule";
    Ok(match known(reader.get_rule(), field)? {
        Rule::Unset => return Err(WireError::new(field, WireFault::Unset)),
        Rule::NotJson => MutationError::NotJson,
        Rule::KeyEmpty => MutationError::KeyEmpty,
        Rule::KeyTooLong => MutationError::KeyTooLong { bytes: actual, max },
        Rule::KeyAbsent => MutationError::KeyAbsent,
        Rule::PointerAbsent => MutationError::PointerAbsent,
        Rule::NotAString => MutationError::NotAString,
        Rule::NotAnArray => MutationError::NotAnArray,
        Rule::ValueTooLarge => MutationError::ValueTooLarge { bytes: actual, max },
        Rule::DocumentTooLarge => MutationError::DocumentTooLarge { bytes: actual, max },
        Rule::TooDeep => MutationError::TooDeep {
            levels: actual,
            max,
        },
    })
}

pub(super) fn write_mutation_error(
    error: &MutationError,
    mut builder: mutation_error::Builder<'_>,
) {
    let (rule, actual, max) = match *error {
        MutationError::NotJson => (Rule::NotJson, 0, 0),
        MutationError::KeyEmpty => (Rule::KeyEmpty, 0, 0),
        MutationError::KeyTooLong { bytes, max } => (Rule::KeyTooLong, bytes, max),
        MutationError::KeyAbsent => (Rule::KeyAbsent, 0, 0),
        MutationError::PointerAbsent => (Rule::PointerAbsent, 0, 0),
        MutationError::NotAString => (Rule::NotAString, 0, 0),
        MutationError::NotAnArray => (Rule::NotAnArray, 0, 0),
        MutationError::ValueTooLarge { bytes, max } => (Rule::ValueTooLarge, bytes, max),
        MutationError::DocumentTooLarge { bytes, max } => (Rule::DocumentTooLarge, bytes, max),
        MutationError::TooDeep { levels, max } => (Rule::TooDeep, levels, max),
    };
    builder.set_rule(rule);
    builder.set_actual(actual);
    builder.set_max(max);
}
