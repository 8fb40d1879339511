//! The ports of the core over the AWS SDK. The only crate on the hot path that names `aws_sdk_*`.
