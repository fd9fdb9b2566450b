//! What a working directory says.
