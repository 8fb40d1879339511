//! Catalogues of auditors, as the page shows them: which check answers which control.

/// A framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framework {
    /// `NIST SP 800-53 Rev. 5`, ...
    pub title: String,
    /// Its controls.
    pub controls: Vec<Control>,
}

/// A control of a framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// `CP-9(8)`, ...
    pub id: String,
    /// What it asks for.
    pub title: String,
    /// Codes of the checks that answer it.
    pub checks: Vec<String>,
}
