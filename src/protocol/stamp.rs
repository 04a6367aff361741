//! The stamp in the test picture.
