//! Tests of the repo room: real git repositories in temporary folders.

mod scene;
mod workspaces;
