//! Errors on their way out: every error of a use case becomes one status, one stable code and one public
//! message. Causes are logged under the request's id and never sent.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use kubelt_api::{Code, PROBLEM_JSON, PinFailure, PinFailureReason, Problem};
use kubelt_content::car::CarError;
use kubelt_core::{
    PathError,
    log::{DraftError, Refusal},
};
use kubelt_node::{
    AnswerError, Away, BringError, ChallengeError, CommitError, ContentError, ContractError, DeliveryError,
    EndError, IdentityError, Incomplete, JoinError, LoadError, MembersError, MirrorError, PinError,
    ReceiptError, RemoteNodeError, RetrievalError, ShelfError, SignInError, StoreError, TxError, UploadError,
    WriteError,
    exchange::{CheckError, CoreFileError, ExportError, ImportError, OpsError},
};

use crate::path::BadPath;

/// What a handler answers when it cannot do what was asked.
#[derive(Debug)]
pub(crate) struct ApiError {
    code: Code,
    detail: String,
    away: Option<Away>,
}

impl ApiError {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), away: None }
    }

    /// The block that is on its way here, where it is only that.
    pub(crate) fn into_away(self) -> Result<Away, Self> {
        match self.away {
            Some(away) => Ok(away),
            None => Err(self),
        }
    }

    /// The one answer for what is missing and for what this reader may not know of.
    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound, "there is nothing here that you may use; if it is yours, sign in first")
    }

    /// Whether this is that answer.
    pub(crate) fn is_not_found(&self) -> bool {
        self.code == Code::NotFound
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(
            Code::Unauthorized,
            "this needs a session; sign in and send its token as `Authorization: Bearer …`",
        )
    }

    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %chain(cause), "request failed");
        Self::new(Code::Internal, "the node has failed; its log says more under this request's id")
    }
}

/// An error with all its causes, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl ApiError {
    /// The same in the form of the Pinning Service API.
    pub(crate) fn into_pin_failure(self) -> Response {
        let (status, reason) = match self.code {
            Code::QuotaExceeded => (409, "INSUFFICIENT_FUNDS".to_owned()),
            Code::Internal => (500, "INTERNAL_SERVER_ERROR".to_owned()),
            code => (code.status(), code.as_str().replace('-', "_").to_ascii_uppercase()),
        };
        let error = PinFailureReason { reason, details: Some(self.detail.clone()) };
        let body = serde_json::to_vec(&PinFailure { error }).expect("a failure is plain JSON");
        let mut response = self.into_response();
        *response.status_mut() = StatusCode::from_u16(status).expect("codes carry valid statuses");
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = body.into();
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut problem = Problem::new(self.code, self.detail);
        problem.instance = crate::request_id::current();
        let body = serde_json::to_vec(&problem).expect("a problem is plain JSON");
        let status = StatusCode::from_u16(problem.status).expect("codes carry valid statuses");
        let mut response = (status, body).into_response();
        // For whoever answers by this route, in another form.
        response.extensions_mut().insert(problem);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.code {
            Code::Unauthorized | Code::BadSignIn => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Code::RateLimited | Code::Unavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}

impl From<BadPath> for ApiError {
    fn from(error: BadPath) -> Self {
        Self::new(Code::BadPath, error.to_string())
    }
}

impl From<PathError> for ApiError {
    fn from(error: PathError) -> Self {
        Self::new(Code::BadPath, error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<LoadError> for ApiError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Unknown => Self::not_found(),
            LoadError::Store(_) | LoadError::Damaged { .. } => Self::internal(&error),
        }
    }
}

impl From<CommitError> for ApiError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Quota(quota) => Self::new(Code::QuotaExceeded, quota.to_string()),
            CommitError::NoSpace { .. } | CommitError::ReadOnly { .. } | CommitError::Closed => {
                tracing::warn!(%error, "a write was refused");
                Self::new(
                    Code::Unavailable,
                    "the node cannot write at the moment: its disk is full or read-only",
                )
            }
            CommitError::BlockForgotten | CommitError::Conflict => {
                Self::new(Code::Conflict, error.to_string())
            }
            CommitError::Write(_) | CommitError::Sync(_) | CommitError::Unreadable(_) => {
                tracing::error!(error = %chain(&error), "a write failed");
                Self::new(Code::Unavailable, "the node could not write to its disk; nothing was changed")
            }
            CommitError::Index(_) => {
                tracing::error!(error = %chain(&error), "a write was stored, but the index was not updated");
                Self::new(Code::Unavailable, "the node stored the write but cannot show it before a restart")
            }
        }
    }
}

impl From<TxError> for ApiError {
    fn from(error: TxError) -> Self {
        match error {
            TxError::BlockTooLarge { .. } | TxError::TooLarge { .. } => {
                Self::new(Code::TooLarge, error.to_string())
            }
            TxError::KeyTooLong { .. } => Self::new(Code::BadPath, error.to_string()),
            TxError::TooManyHeads { .. } => Self::new(Code::Conflict, error.to_string()),
            TxError::Read(_) | TxError::UnknownOp { .. } => Self::internal(&error),
        }
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        let text = error.to_string();
        match error {
            WriteError::ClientKey => Self::new(Code::Forbidden, text),
            WriteError::Draft(error) => match &*error {
                DraftError::NoAuthority { .. } => Self::new(Code::Forbidden, text),
                DraftError::SessionOver => Self::new(Code::Unauthorized, text),
                DraftError::NoLaterDate => Self::new(Code::Conflict, text),
                DraftError::Act(_) => Self::new(Code::BadOperation, text),
                DraftError::Refused(refusal) => refused(refusal),
            },
            WriteError::Entry(_) | WriteError::Schema(_) => Self::new(Code::BadOperation, text),
            WriteError::Refused(refusal) => refused(&refusal),
            WriteError::Forked(_) => Self::new(Code::Conflict, text),
            WriteError::Tx(error) => match Arc::try_unwrap(error) {
                Ok(error) => error.into(),
                Err(shared) => Self::internal(&*shared),
            },
            WriteError::Commit(error) => error.into(),
            WriteError::Load(error) => match &*error {
                LoadError::Unknown => Self::not_found(),
                other => Self::internal(other),
            },
            WriteError::Stopped => Self::new(Code::Unavailable, text),
        }
    }
}

fn refused(refusal: &Refusal) -> ApiError {
    match refusal {
        Refusal::UnknownPrev(_) => ApiError::new(Code::Conflict, refusal.to_string()),
        Refusal::Ahead { .. } => ApiError::new(Code::Pending, refusal.to_string()),
        Refusal::Quorum { .. } => {
            ApiError::new(Code::VotesNeeded, format!("{refusal}: ask the others, by `/-/requests`"))
        }
        Refusal::Full => ApiError::new(Code::QuotaExceeded, refusal.to_string()),
        _ => ApiError::new(Code::BadOperation, refusal.to_string()),
    }
}

impl From<ContentError> for ApiError {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::NotFound => Self::not_found(),
            ContentError::Denied => Self::new(Code::Gone, error.to_string()),
            // Who does not wait for it has nothing here.
            ContentError::Away(away) => Self { away: Some(away), ..Self::not_found() },
            ContentError::Retrieval(error) => {
                let code = match error {
                    RetrievalError::ClientBusy => Code::RateLimited,
                    RetrievalError::Busy => Code::Unavailable,
                    RetrievalError::Timeout => Code::GatewayTimeout,
                    RetrievalError::TooMuch(_) => Code::TooLarge,
                };
                Self::new(code, error.to_string())
            }
            ContentError::Path(error) => error.into(),
            ContentError::Malformed(source) => {
                Self::new(Code::Unprocessable, format!("the content cannot be read: {source}"))
            }
            ContentError::Load(error) => error.into(),
            ContentError::Store(error) => error.into(),
        }
    }
}

impl From<ReceiptError> for ApiError {
    fn from(error: ReceiptError) -> Self {
        match error {
            ReceiptError::Content(error) => error.into(),
            ReceiptError::Busy => Self::new(Code::Unavailable, error.to_string()),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Forbidden(_) => Self::new(Code::Forbidden, error.to_string()),
            UploadError::ContentPath => Self::new(Code::BadRequest, error.to_string()),
            UploadError::NotFound => Self::not_found(),
            UploadError::Incomplete(error) => error.into(),
            UploadError::Tx(error) => error.into(),
            UploadError::Commit(error) => error.into(),
            UploadError::Write(error) => error.into(),
            UploadError::Car(error) => error.into(),
            UploadError::Load(error) => error.into(),
            UploadError::Store(error) => error.into(),
        }
    }
}

impl From<DeliveryError> for ApiError {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::Setting(_) => Self::new(Code::BadRequest, error.to_string()),
            DeliveryError::NotFound => Self::new(Code::NotFound, error.to_string()),
            DeliveryError::Upload(error) => error.into(),
            DeliveryError::Store(error) => error.into(),
        }
    }
}

impl From<RemoteNodeError> for ApiError {
    fn from(error: RemoteNodeError) -> Self {
        match error {
            RemoteNodeError::NotFound => Self::not_found(),
            RemoteNodeError::Unknown => Self::new(Code::NotFound, error.to_string()),
            RemoteNodeError::Address(_) | RemoteNodeError::Own => {
                Self::new(Code::BadRequest, error.to_string())
            }
            RemoteNodeError::Forbidden => Self::new(Code::Forbidden, error.to_string()),
            RemoteNodeError::TooMany => Self::new(Code::Conflict, error.to_string()),
            RemoteNodeError::Alone => Self::new(Code::Unavailable, error.to_string()),
            RemoteNodeError::Failed(_) => Self::new(Code::Unreachable, error.to_string()),
            RemoteNodeError::Write(error) => error.into(),
            RemoteNodeError::Load(error) => error.into(),
            RemoteNodeError::Identity(error) => error.into(),
            RemoteNodeError::Tx(error) => error.into(),
            RemoteNodeError::Commit(error) => error.into(),
            RemoteNodeError::Store(error) => error.into(),
        }
    }
}

impl From<MirrorError> for ApiError {
    fn from(error: MirrorError) -> Self {
        match error {
            MirrorError::NotFound | MirrorError::Unknown => Self::new(Code::NotFound, error.to_string()),
            MirrorError::TooMany => Self::new(Code::Conflict, error.to_string()),
            MirrorError::Every => Self::new(Code::BadRequest, error.to_string()),
            MirrorError::Failed(_) => Self::new(Code::Unreachable, error.to_string()),
            MirrorError::Shelf(ShelfError::Store(error)) => error.into(),
            MirrorError::Shelf(error) => Self::internal(&error),
            MirrorError::Remote(error) => error.into(),
            MirrorError::Load(error) => error.into(),
            MirrorError::Identity(error) => error.into(),
            MirrorError::Tx(error) => error.into(),
            MirrorError::Commit(error) => error.into(),
            MirrorError::Store(error) => error.into(),
        }
    }
}

impl From<IdentityError> for ApiError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Store(error) => error.into(),
            IdentityError::Tx(error) => error.into(),
            IdentityError::Commit(error) => error.into(),
        }
    }
}

impl From<PinError> for ApiError {
    fn from(error: PinError) -> Self {
        match error {
            PinError::NotFound => Self::new(Code::NotFound, error.to_string()),
            PinError::Forbidden => Self::new(Code::Forbidden, error.to_string()),
            PinError::Limit(_) => Self::new(Code::BadRequest, error.to_string()),
            PinError::Upload(error) => error.into(),
            PinError::Load(error) => error.into(),
            PinError::Store(error) => error.into(),
        }
    }
}

impl From<Incomplete> for ApiError {
    fn from(error: Incomplete) -> Self {
        match error {
            Incomplete::Missing(_) => Self::new(Code::Incomplete, error.to_string()),
            Incomplete::Malformed(source) => {
                Self::new(Code::Unprocessable, format!("the content cannot be linked: {source}"))
            }
            Incomplete::Store(error) => error.into(),
            Incomplete::Tx(error) => error.into(),
            Incomplete::Commit(error) => error.into(),
        }
    }
}

impl From<CarError> for ApiError {
    fn from(error: CarError) -> Self {
        Self::new(Code::BadCar, chain(&error))
    }
}

impl From<ChallengeError> for ApiError {
    fn from(error: ChallengeError) -> Self {
        match error {
            ChallengeError::Chain(_) => Self::new(Code::NotImplemented, error.to_string()),
            ChallengeError::NotAdmitted => Self::new(Code::NotFound, error.to_string()),
            ChallengeError::OutOfScope(_) => Self::new(Code::BadRequest, error.to_string()),
            ChallengeError::Load(error) => error.into(),
            ChallengeError::Store(error) => error.into(),
            ChallengeError::Message(_) | ChallengeError::Refused(_) => {
                Self::new(Code::BadRequest, chain(&error))
            }
        }
    }
}

impl From<SignInError> for ApiError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::TooMany => Self::new(Code::Conflict, error.to_string()),
            SignInError::Pending => Self::new(Code::Pending, error.to_string()),
            SignInError::NotAdmitted => Self::new(Code::NotFound, error.to_string()),
            SignInError::Barred(_) => Self::new(Code::Forbidden, error.to_string()),
            SignInError::Begin(error) => error.into(),
            SignInError::Load(error) => error.into(),
            SignInError::Store(error) => error.into(),
            SignInError::Tx(error) => error.into(),
            SignInError::Commit(error) => error.into(),
            SignInError::Challenge
            | SignInError::Altered
            | SignInError::Origin(_)
            | SignInError::Login(_) => Self::new(Code::BadSignIn, chain(&error)),
        }
    }
}

impl From<EndError> for ApiError {
    fn from(error: EndError) -> Self {
        match error {
            EndError::NotFound => Self::new(Code::NotFound, error.to_string()),
            EndError::Pending => Self::new(Code::Pending, error.to_string()),
            EndError::Challenge | EndError::Signature(_) => Self::new(Code::BadSignIn, chain(&error)),
            EndError::Store(error) => error.into(),
            EndError::Load(error) => error.into(),
            EndError::Words(error) => Self::new(Code::BadRequest, error.to_string()),
            EndError::Write(error) => error.into(),
        }
    }
}

impl From<AnswerError> for ApiError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::NotFound => Self::new(Code::NotFound, error.to_string()),
            AnswerError::Form => Self::new(Code::BadRequest, error.to_string()),
            AnswerError::Pending => Self::new(Code::Pending, error.to_string()),
            AnswerError::Signature(_) | AnswerError::OtherTransaction | AnswerError::NotOwner => {
                Self::new(Code::Unprocessable, chain(&error))
            }
        }
    }
}

impl From<MembersError> for ApiError {
    fn from(error: MembersError) -> Self {
        match error {
            MembersError::NotFound => Self::not_found(),
            MembersError::Forbidden
            | MembersError::RootOnly
            | MembersError::Barred(_)
            | MembersError::Waits { .. } => Self::new(Code::Forbidden, error.to_string()),
            MembersError::Contract(ContractError::NoAnswer(_)) => {
                Self::new(Code::Unavailable, error.to_string())
            }
            MembersError::Contract(ContractError::NoTemplate) => Self::new(Code::Conflict, error.to_string()),
            MembersError::NoMember(_) | MembersError::NoHeir(_) | MembersError::NoClaim => {
                Self::new(Code::NotFound, error.to_string())
            }
            MembersError::NameTaken(_) | MembersError::OfRoot(_) | MembersError::Inherited => {
                Self::new(Code::Conflict, error.to_string())
            }
            MembersError::Name(_)
            | MembersError::Contract(_)
            | MembersError::TooDeep
            | MembersError::Principal(_)
            | MembersError::Title
            | MembersError::Passkeys
            | MembersError::NotPrivate
            | MembersError::OwnHeir
            | MembersError::HeirWait
            | MembersError::Words(_) => Self::new(Code::BadRequest, error.to_string()),
            MembersError::Write(error) => error.into(),
            MembersError::Bring(error) => error.into(),
            MembersError::Join(error) => error.into(),
            MembersError::Remote(error) => error.into(),
            MembersError::Identity(error) => error.into(),
            MembersError::Load(error) => error.into(),
            MembersError::Store(error) => error.into(),
        }
    }
}

impl From<BringError> for ApiError {
    fn from(error: BringError) -> Self {
        match error {
            BringError::TooMany => Self::new(Code::QuotaExceeded, error.to_string()),
            BringError::Tx(error) => error.into(),
            BringError::Commit(error) => error.into(),
            BringError::Store(error) => error.into(),
        }
    }
}

impl From<JoinError> for ApiError {
    fn from(error: JoinError) -> Self {
        let code = match error {
            JoinError::Session => Code::Forbidden,
            JoinError::NotFound => Code::NotFound,
            JoinError::Unreached(_) | JoinError::Broken(_) | JoinError::Late => Code::Unreachable,
            JoinError::Busy => Code::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<OpsError> for ApiError {
    fn from(error: OpsError) -> Self {
        match error {
            OpsError::NotFound => Self::not_found(),
            OpsError::Decode(_) => Self::internal(&error),
            OpsError::Check(error) => error.into(),
            OpsError::Write(error) => error.into(),
            OpsError::Open(error) => error.into(),
            OpsError::Load(error) => error.into(),
            OpsError::Store(error) => error.into(),
        }
    }
}

impl From<CheckError> for ApiError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Decode(_)
            | CheckError::OtherCore
            | CheckError::UnknownLogin(_)
            | CheckError::Login(_)
            | CheckError::Signature(_) => Self::new(Code::BadOperation, chain(&error)),
            CheckError::Pending => Self::new(Code::Pending, error.to_string()),
            CheckError::Store(error) => error.into(),
        }
    }
}

impl From<ExportError> for ApiError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::NotFound => Self::not_found(),
            ExportError::Load(error) => error.into(),
            ExportError::Store(error) => error.into(),
            ExportError::Content => Self::internal(&error),
        }
    }
}

impl From<ImportError> for ApiError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::File(CoreFileError::TooLarge) => Self::new(Code::TooLarge, error.to_string()),
            ImportError::File(_) | ImportError::Order | ImportError::Check { .. } => {
                Self::new(Code::BadCar, chain(&error))
            }
            ImportError::Busy => Self::new(Code::Unavailable, error.to_string()),
            ImportError::Forbidden => Self::new(Code::Forbidden, error.to_string()),
            ImportError::Write { source, .. } => source.into(),
            ImportError::Bring(error) => error.into(),
            ImportError::Upload(error) => error.into(),
            ImportError::Tx(error) => error.into(),
            ImportError::Commit(error) => error.into(),
            ImportError::Load(error) => error.into(),
            ImportError::Store(error) => error.into(),
        }
    }
}
