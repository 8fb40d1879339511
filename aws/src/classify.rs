//! What an error of the SDK means: a bounded reason for a read, retry or not for a write.

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use guardian_core::evidence::{Gap, GapReason};
use guardian_core::ports::PortError;

/// The reason behind an error code of any AWS service.
pub fn reason_of_code(code: &str) -> GapReason {
    // JSON protocols may prefix a namespace (`com.amazonaws.…#Code`), query protocols a `Client.`; both are noise.
    let code = code.rsplit(['#', '.']).next().unwrap_or(code);
    let is = |word: &str| code.to_ascii_lowercase().contains(word);
    if is("throttl") || is("toomanyrequests") || is("requestlimitexceeded") || is("provisionedthroughputexceeded") || is("slowdown") {
        GapReason::Throttled
    } else if is("accessdenied")
        || is("unauthorized")
        || is("notauthorized")
        || is("invalidaccess")
        || is("authorizationerror")
        || is("unrecognizedclient")
        || is("expiredtoken")
        || is("invalidclienttokenid")
        || is("signaturedoesnotmatch")
        || is("optinrequired")
    {
        GapReason::AccessDenied
    } else if is("notfound") || is("nosuch") || is("doesnotexist") || is("nonexistent") {
        GapReason::NotFound
    } else if is("timeout") || is("timedout") {
        GapReason::TimedOut
    } else {
        GapReason::Unavailable
    }
}

/// The reason and the detail of a failed call. The detail is AWS' error code, with what the message says of the policy of the object; or a word of
/// ours where no answer came.
pub fn reason_of<E, R>(error: &SdkError<E, R>) -> (GapReason, String)
where
    E: ProvideErrorMetadata,
{
    match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) => {
                let (reason, word) = (reason_of_code(code), code.chars().take(128).collect::<String>());
                match service.err().message().filter(|_| reason == GapReason::AccessDenied) {
                    Some(message) => (reason, Gap::detail_of_refusal(&word, message)),
                    None => (reason, word),
                }
            }
            None => (GapReason::Unreadable, "error without a code".to_owned()),
        },
        SdkError::TimeoutError(_) => (GapReason::TimedOut, "timeout".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => (GapReason::TimedOut, "timeout".to_owned()),
        SdkError::DispatchFailure(failure) if failure.as_connector_error().is_some_and(|error| lacks_credentials(error)) => {
            (GapReason::Unavailable, NO_CREDENTIALS.to_owned())
        }
        SdkError::DispatchFailure(_) => (GapReason::Unavailable, "unreachable".to_owned()),
        SdkError::ResponseError(_) => (GapReason::Unreadable, "unreadable response".to_owned()),
        SdkError::ConstructionFailure(_) => (GapReason::Unreadable, "request refused by the SDK".to_owned()),
        _ => (GapReason::Unavailable, "unknown failure".to_owned()),
    }
}

/// The detail of a call that was never made, because it could not be signed.
pub const NO_CREDENTIALS: &str = "no usable credentials";

/// Whether the credentials, not the service, could not be had.
fn lacks_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<CredentialsError>())
}

/// The error of a failed write.
pub fn port_error<E, R>(operation: &'static str, error: &SdkError<E, R>) -> PortError
where
    E: ProvideErrorMetadata,
{
    let (reason, code) = reason_of(error);
    let retryable = match reason {
        GapReason::Throttled | GapReason::TimedOut => true,
        // An outage may pass; a request AWS calls invalid never will.
        GapReason::Unavailable => {
            matches!(error, SdkError::DispatchFailure(_)) || {
                let lower = code.to_ascii_lowercase();
                ["internal", "unavailable", "failure", "transactioncanceled", "conflict"].iter().any(|word| lower.contains(word))
            }
        }
        GapReason::Unreadable => matches!(error, SdkError::ResponseError(_)),
        GapReason::AccessDenied | GapReason::RoleNotAssumable | GapReason::NotFound | GapReason::BudgetSpent | GapReason::NotConfigured => {
            false
        }
    };
    PortError { operation, code, retryable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_classed_by_their_text_because_aws_does_not_model_them() {
        for (code, reason) in [
            ("AccessDeniedException", GapReason::AccessDenied),
            ("AccessDenied", GapReason::AccessDenied),
            ("Client.UnauthorizedOperation", GapReason::AccessDenied),
            ("ExpiredTokenException", GapReason::AccessDenied),
            ("InvalidAccessException", GapReason::AccessDenied),
            ("ThrottlingException", GapReason::Throttled),
            ("Throttling", GapReason::Throttled),
            ("TooManyRequestsException", GapReason::Throttled),
            ("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", GapReason::Throttled),
            ("ResourceNotFoundException", GapReason::NotFound),
            ("NotFoundException", GapReason::NotFound),
            ("com.amazonaws.sqs#QueueDoesNotExist", GapReason::NotFound),
            ("AWS.SimpleQueueService.NonExistentQueue", GapReason::NotFound),
            ("DependencyTimeoutException", GapReason::TimedOut),
            ("ServiceUnavailableException", GapReason::Unavailable),
            ("InternalFailure", GapReason::Unavailable),
            ("SomethingNew", GapReason::Unavailable),
        ] {
            assert_eq!(reason_of_code(code), reason, "{code}");
        }
    }
}
