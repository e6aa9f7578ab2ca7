//! A writer.

use capnp_rpc::rpc_capnp::payload;
use share_model::{FactoryRef, ShareRef};
use share_proto::share_capnp::appender::{append_ops_params, append_ops_results};
use share_proto::share_capnp::share_session::claim_writer_results;
use share_proto::wire;
use tokio::net::TcpStream;

use super::connection::{BEGIN_WORDS, Connection};
use super::event::{Event, import, unexpected};
use super::outgoing::Target;
use super::{APPEND_OPS, CLAIM_WRITER};
use crate::error::BenchError;
use crate::lane::batches::{Batches, all_applied};
use crate::lane::share::{connect, create, first_claim};
use crate::load::Load;

/// A claimed writer with a connection of its own.
pub(crate) struct WireLane {
    connection: Connection,
    reference: ShareRef,
    claim: wire::ClaimRequest,
    session: u32,
    appender: u32,
    pub(super) batches: Batches,
}

impl WireLane {
    /// Creates a share, and claims a writer of it.
    pub(crate) async fn create(
        address: &str,
        factory: &FactoryRef,
        load: Load,
    ) -> Result<Self, BenchError> {
        let bootstrap = connect(TcpStream::connect(address).await?)?;
        let reference = create(&bootstrap, factory).await?;
        Self::claim(address, reference, load).await
    }

    /// Redeems and claims in one round trip.
    pub(super) async fn claim(
        address: &str,
        reference: ShareRef,
        load: Load,
    ) -> Result<Self, BenchError> {
        let mut connection = Connection::connect(address).await?;
        let claim = first_claim();
        let redeeming = connection.redeem(&reference)?;
        let claiming = ask_claim(&mut connection, Target::Answer(redeeming.redeem), &claim)?;
        let (mut session, mut claimed) = (None, None);
        let questions = [redeeming.bootstrap, redeeming.redeem, claiming];
        let take = |question, answer: payload::Reader<'_>| {
            if question == claiming {
                claimed = Some(read_claim(answer)?);
            } else if question == redeeming.redeem {
                session = Some(import(answer)?);
            }
            Ok(())
        };
        connection.answers(&questions, take).await?;
        let (Some(session), Some((appender, _))) = (session, claimed) else {
            return Err(unexpected("no claim"));
        };
        Ok(Self {
            connection,
            reference,
            claim,
            session,
            appender,
            batches: Batches::new(load),
        })
    }

    /// Claims the writer again, after a refusal ended its appender; goes on behind what the server has.
    pub(crate) async fn claim_again(&mut self) -> Result<(), BenchError> {
        self.connection.outgoing.release(self.appender)?;
        let session = Target::Import(self.session);
        let claiming = ask_claim(&mut self.connection, session, &self.claim)?;
        let mut claimed = None;
        let take = |_, answer: payload::Reader<'_>| {
            claimed = Some(read_claim(answer)?);
            Ok(())
        };
        self.connection.answers(&[claiming], take).await?;
        let Some((appender, highest)) = claimed else {
            return Err(unexpected("no claim"));
        };
        self.appender = appender;
        self.batches.go_on_behind(highest);
        Ok(())
    }

    pub(crate) fn reference(&self) -> &ShareRef {
        &self.reference
    }

    /// The seq of the next op.
    pub(crate) fn next(&self) -> u64 {
        self.batches.next()
    }

    /// Appends a batch; the first op's cursor.
    pub(crate) async fn append(&mut self) -> Result<u64, BenchError> {
        // Each ack was read before the next append is sent, so everything before is settled.
        let question = self.send(self.batches.next() - 1)?;
        let mut answer = None;
        while answer.is_none() {
            self.hear(|answered, outcome| {
                debug_assert_eq!(answered, question, "nothing else was asked");
                answer = Some(outcome);
            })
            .await?;
        }
        answer.unwrap_or_else(|| Err(unexpected("no ack")))
    }

    /// Has a batch sent as soon as something is heard; the number of its question.
    pub(crate) fn send(&mut self, settled: u64) -> Result<u32, BenchError> {
        let question = self.connection.questions.ask();
        let call = (Target::Import(self.appender), APPEND_OPS);
        let batches = &mut self.batches;
        self.connection
            .outgoing
            .call(question, call, batches.words(), |params| {
                let params: append_ops_params::Builder<'_> = params.init_content().init_as();
                batches.fill(params, settled);
                Ok(())
            })?;
        Ok(question)
    }

    /// Waits for answers: gives the number of each question, which may be that of the next one, and the
    /// first op's cursor. Cancel safe.
    pub(crate) async fn hear(
        &mut self,
        mut take: impl FnMut(u32, Result<u64, BenchError>),
    ) -> Result<(), BenchError> {
        let ops = self.batches.ops();
        let applied = |answer: Result<payload::Reader<'_>, _>| {
            let results: append_ops_results::Reader<'_> = answer?.get_content().get_as()?;
            all_applied(results.get_outcome()?, ops)
        };
        let event = |event: Event<'_>, _: &mut _| match event {
            Event::Returned {
                question, answer, ..
            } => {
                take(question, applied(answer));
                Ok(())
            }
            _ => Err(unexpected("something to a writer that is no answer")),
        };
        self.connection.receive(event).await
    }
}

fn ask_claim(
    connection: &mut Connection,
    session: Target,
    claim: &wire::ClaimRequest,
) -> Result<u32, BenchError> {
    let question = connection.questions.ask();
    let call = (session, CLAIM_WRITER);
    connection
        .outgoing
        .call(question, call, BEGIN_WORDS, |params| {
            wire::write_claim_request(claim, params.init_content().init_as());
            Ok(())
        })?;
    Ok(question)
}

/// The appender, and the highest seq that the server has.
fn read_claim(answer: payload::Reader<'_>) -> Result<(u32, u64), BenchError> {
    let results: claim_writer_results::Reader<'_> = answer.get_content().get_as()?;
    let claimed = wire::read_claim_outcome(results.get_outcome()?)??;
    Ok((import(answer)?, claimed.highest.get()))
}
