//! `samconfig.toml` of `make deploy`, with the parameters of template.yaml.

use crate::topology::{Answers, Stack};

pub(super) fn samconfig(stack: &Stack, answers: &Answers) -> String {
    // What is in quotation marks has none of its own nor a backslash: the answers let neither in. Those inside are for the SAM CLI.
    let parameters = stack.parameters.iter().map(|(name, value)| format!("    \"{name}={value}\",\n")).collect::<String>();
    format!(
        "version = 0.1\n\n[default.deploy.parameters]\nstack_name = \"{}\"\nregion = \"{}\"\nresolve_s3 = true\n\
         # The roles have fixed names, because the other accounts trust them by name.\ncapabilities = \"CAPABILITY_NAMED_IAM\"\n\
         confirm_changeset = true\nfail_on_empty_changeset = false\ntags = \"application=backup-guardian\"\nparameter_overrides = [\n{parameters}\
         \x20   # What `make build` built: ARCH=arm64 for the other.\n    # \"Architecture=x86_64\",\n\
         \x20   # For an account that has no concurrent executions to reserve (a new one):\n    # \"ReserveConcurrency=no\",\n]\n",
        stack.name, answers.guardian.region
    )
}
