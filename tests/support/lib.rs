//! Support for the test suite.
