//! Creating a share for an agent session.

use share_model::{
    CreateShare, CreatedShare as Created, GrantId, Origin, OriginKind, Publish, RequestId, Secret,
    Slug,
};
use share_web::{Asker, BackendError, CreatedShare};
use tracing::info;

use super::answers::{failed, refused};
use super::backend::HttpBackend;
use super::credentials::owner_grant;
use super::options::HttpCreate;
use crate::factory::creation;
use crate::owner::Outcome;
use crate::rpc::publish;

/// What the public address of a share is called among its grants.
const LABEL: &str = "public address";

impl HttpBackend {
    /// Creates a share and gives it a public address; all is durable when this returns. What a crash
    /// leaves in between is a share that nobody can reach, for nobody has been told its secret.
    pub(super) async fn create_share(
        &self,
        asker: &Asker,
        session: &str,
    ) -> Result<CreatedShare, BackendError> {
        let bytes_max = self.door().hub.share_limits().label_bytes_max;
        let origin = Origin::new(OriginKind::Agent, session.to_owned(), bytes_max);
        let origin = origin.map_err(|error| BackendError::Invalid {
            reason: format!("the session's id: {error}"),
        })?;
        let factory = self.factory_grant(asker)?;
        let entropy = &*self.door().seams.entropy;
        let (secret, slug) = (Secret::random(entropy), Slug::random(entropy));
        let made = self.make(factory, (&secret, &slug), origin).await;
        made.map_err(|fault| failed(&fault))?.map_err(refused)?;
        let url = format!("{}/share/{}", self.url(), slug.to_text());
        Ok(CreatedShare {
            id: slug,
            secret,
            url,
        })
    }

    /// The factory's grant under which who asks may create.
    fn factory_grant(&self, asker: &Asker) -> Result<GrantId, BackendError> {
        let factory = &self.door().factory;
        let proven = match &asker.token {
            Some(token) => {
                let asking = self.ask(asker).map_err(|fault| failed(&fault))?;
                let proven = factory.redeem(token.grant, &token.secret);
                proven.inspect(|_| asking.proven()).ok()
            }
            None => None,
        };
        // Where anybody may, a token that opens nothing does no harm: an agent that is logged in
        // somewhere brings one of that place.
        let grant = match (proven, self.create_policy()) {
            (Some(grant), _) => Some(grant),
            (None, HttpCreate::Open) => factory.newest_root(),
            (None, HttpCreate::Token) => None,
        };
        grant.ok_or_else(|| BackendError::TokenNeeded {
            hint: "bring a factory's ref as the bearer token; `share grant @factory` makes one"
                .to_owned(),
        })
    }

    async fn make(
        &self,
        factory: GrantId,
        (secret, slug): (&Secret, &Slug),
        origin: Origin,
    ) -> Outcome<()> {
        let door = self.door();
        let hash = secret.hash();
        let request = CreateShare {
            request: RequestId::new(&*door.seams.clock, &*door.seams.entropy),
            owner_secret_hash: hash,
            title: String::new(),
            origin: origin.clone(),
        };
        let mut request = creation(factory, request);
        request.owner_grant = owner_grant(&hash);
        let created = door.within(async {
            match door
                .factory
                .uses()
                .of(factory)
                .begin_share(request.share)
                .await?
            {
                Ok(counted) => door.hub.create(request, counted).await,
                Err(refusal) => Ok(Err(refusal)),
            }
        });
        let Created { share, .. } = match created.await? {
            Ok(created) => created,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let request = Publish {
            slug_hash: slug.hash(),
            expires_at: None,
            label: LABEL.to_owned(),
            origin,
        };
        let published = door.within(async {
            match self.redeem_of(share, (owner_grant(&hash), hash)).await? {
                Ok(proven) => publish(&door.hub, &proven.reading, request).await,
                Err(refusal) => Ok(Err(refusal)),
            }
        });
        let published = published.await?;
        Ok(published.map(|_| info!(%share, %factory, "share created over HTTP")))
    }
}
