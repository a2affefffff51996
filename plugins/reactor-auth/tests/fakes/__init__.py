"""Stand-ins for other people's servers; each speaks the real protocol over a real socket."""
