//! What a message from the server means for a driver.

use capnp::any_pointer;
use capnp_rpc::rpc_capnp::{
    cap_descriptor, exception, message, message_target, payload, resolve, return_,
};

use super::outgoing::Method;
use crate::error::BenchError;

/// What a message from the server means for a driver.
pub(super) enum Event<'a> {
    /// A question is answered.
    Returned {
        question: u32,
        /// The server keeps the answer until it is told.
        needs_finish: bool,
        answer: Result<payload::Reader<'a>, capnp::Error>,
    },
    /// The sink is called.
    Called {
        question: u32,
        method: Method,
        params: any_pointer::Reader<'a>,
    },
    /// A capability that was promised is there by another number too. The promise does as well.
    Resolved(u32),
    /// The server is done with an answer, or with the sink.
    Forgotten,
}

impl<'a> Event<'a> {
    /// Of a message.
    ///
    /// # Errors
    ///
    /// If it can't be read, ends the connection, or is none that a server sends to who does so little.
    pub(super) fn of(message: message::Reader<'a>) -> Result<Self, BenchError> {
        Ok(match message.which() {
            Ok(message::Return(answer)) => {
                let answer = answer?;
                Self::Returned {
                    question: answer.get_answer_id(),
                    needs_finish: !answer.get_no_finish_needed(),
                    answer: match answer.which() {
                        Ok(return_::Results(results)) => Ok(results?),
                        Ok(return_::Exception(thrown)) => Err(error_of(thrown?)?),
                        _ => return Err(unexpected("an answer that is elsewhere")),
                    },
                }
            }
            Ok(message::Call(call)) => {
                let call = call?;
                match call.get_target()?.which() {
                    Ok(message_target::ImportedCap(SINK)) => {}
                    _ => return Err(unexpected("a call of something that was not handed out")),
                }
                Self::Called {
                    question: call.get_question_id(),
                    method: Method {
                        interface: call.get_interface_id(),
                        number: call.get_method_id(),
                    },
                    params: call.get_params()?.get_content(),
                }
            }
            Ok(message::Resolve(resolve)) => match resolve?.which() {
                Ok(resolve::Cap(cap)) => match import_of(cap?)? {
                    Some(import) => Self::Resolved(import),
                    None => return Err(unexpected("a capability that became none")),
                },
                Ok(resolve::Exception(thrown)) => return Err(error_of(thrown?)?.into()),
                Err(_) => return Err(unexpected("a capability that became something unknown")),
            },
            Ok(message::Finish(_) | message::Release(_)) => Self::Forgotten,
            Ok(message::Abort(reason)) => {
                let reason = error_of(reason?)?.extra;
                let message = format!("the server ended the connection: {reason}");
                return Err(BenchError::Unexpected(message));
            }
            Ok(message::Unimplemented(_)) => {
                return Err(unexpected("a message that it does not know back"));
            }
            _ => return Err(unexpected("a message of another kind")),
        })
    }
}

/// The number by which the server knows the sink: the first of what is handed to it.
pub(super) const SINK: u32 = 0;

/// The number of the only capability that an answer has.
pub(super) fn import(answer: payload::Reader<'_>) -> Result<u32, BenchError> {
    let capabilities = answer.get_cap_table()?;
    let first = capabilities.iter().next().map(import_of).transpose()?;
    match first.flatten() {
        Some(import) if capabilities.len() == 1 => Ok(import),
        _ => {
            let count = capabilities.len();
            let message = format!("an answer with {count} capabilities where it has one");
            Err(BenchError::Unexpected(message))
        }
    }
}

fn import_of(descriptor: cap_descriptor::Reader<'_>) -> Result<Option<u32>, BenchError> {
    match descriptor.which() {
        Ok(cap_descriptor::SenderHosted(import) | cap_descriptor::SenderPromise(import)) => {
            Ok(Some(import))
        }
        Ok(cap_descriptor::None(())) => Ok(None),
        _ => Err(unexpected("a capability that is not its own")),
    }
}

/// What the server threw.
fn error_of(thrown: exception::Reader<'_>) -> Result<capnp::Error, BenchError> {
    let reason = thrown.get_reason()?.to_str().map_err(capnp::Error::from)?;
    let reason = reason.to_owned();
    Ok(match thrown.get_type() {
        Ok(exception::Type::Overloaded) => capnp::Error::overloaded(reason),
        Ok(exception::Type::Disconnected) => capnp::Error::disconnected(reason),
        Ok(exception::Type::Unimplemented) => capnp::Error::unimplemented(reason),
        Ok(exception::Type::Failed) | Err(_) => capnp::Error::failed(reason),
    })
}

pub(super) fn unexpected(what: &str) -> BenchError {
    BenchError::Unexpected(format!("the server sent {what}"))
}
