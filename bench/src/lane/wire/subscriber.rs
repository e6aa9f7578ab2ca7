//! A subscriber that only looks at which op came when.

use std::rc::Rc;

use capnp::any_pointer;
use capnp::traits::ImbueMut;
use capnp_rpc::rpc_capnp::payload;
use share_model::ShareRef;
use share_proto::share_capnp::share_session::{subscribe_params, subscribe_results};
use share_proto::share_capnp::sink::{self, ended_params, ops_params};
use share_proto::share_capnp::subscribe_outcome;
use share_proto::wire;

use super::connection::{BEGIN_WORDS, Connection};
use super::event::{Event, SINK, unexpected};
use super::outgoing::{Method, Target};
use super::{SINK_ENDED, SINK_LIVE, SINK_OPS, SUBSCRIBE};
use crate::arrivals::Arrivals;
use crate::error::BenchError;

/// Subscribes to a share on a connection of its own, and counts what arrives until it ends.
pub(crate) async fn watch(
    address: &str,
    reference: &ShareRef,
    arrivals: Rc<Arrivals>,
) -> Result<(), BenchError> {
    let mut connection = Connection::connect(address).await?;
    let redeeming = connection.redeem(reference)?;
    let subscribing = connection.questions.ask();
    let call = (Target::Answer(redeeming.redeem), SUBSCRIBE);
    connection
        .outgoing
        .call(subscribing, call, BEGIN_WORDS, write_subscribe)?;
    loop {
        // The sink may be called before the subscription is answered.
        let event = |event: Event<'_>, outgoing: &mut super::outgoing::Outgoing| match event {
            Event::Called {
                question,
                method,
                params,
            } => {
                take(method, params, &arrivals)?;
                outgoing.answer(question)
            }
            Event::Returned {
                question, answer, ..
            } => {
                let answer = answer?;
                if question == subscribing {
                    is_subscribed(answer)?;
                }
                Ok(())
            }
            Event::Resolved(_) | Event::Forgotten => Ok(()),
        };
        connection.receive(event).await?;
    }
}

/// From now on, to the sink that is handed over.
fn write_subscribe(mut params: payload::Builder<'_>) -> Result<(), BenchError> {
    // What a pointer to a capability says is its place in the table, which is written below.
    let mut capabilities = Vec::new();
    let mut content = params.reborrow().init_content();
    content.imbue_mut(&mut capabilities);
    let mut subscribe: subscribe_params::Builder<'_> = content.init_as();
    subscribe.set_sink(capnp_rpc::new_client::<sink::Client, _>(Placeholder));
    subscribe.init_from();
    let table = params.init_cap_table(1);
    table.get(0).set_sender_hosted(SINK);
    Ok(())
}

/// Stands where a pointer is made; it is never called.
struct Placeholder;

impl sink::Server for Placeholder {}

fn is_subscribed(answer: payload::Reader<'_>) -> Result<(), BenchError> {
    let results: subscribe_results::Reader<'_> = answer.get_content().get_as()?;
    match results.get_outcome()?.which() {
        Ok(subscribe_outcome::Subscribed(_)) => Ok(()),
        Ok(subscribe_outcome::Refused(refusal)) => Err(wire::read_refusal(refusal?)?.into()),
        _ => Err(unexpected("no outcome of a subscription")),
    }
}

/// Takes what the sink is called with.
fn take(
    method: Method,
    params: any_pointer::Reader<'_>,
    arrivals: &Arrivals,
) -> Result<(), BenchError> {
    match method {
        SINK_OPS => {
            let ops = params.get_as::<ops_params::Reader<'_>>()?.get_ops()?;
            arrivals.came(ops.iter().map(|op| op.get_seq()));
        }
        SINK_LIVE => arrivals.is_live(),
        SINK_ENDED => {
            let ended = params.get_as::<ended_params::Reader<'_>>()?;
            return Err(wire::read_refusal(ended.get_refusal()?)?.into());
        }
        // A document, which nobody looks at.
        _ => {}
    }
    Ok(())
}
