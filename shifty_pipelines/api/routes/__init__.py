"""Routes, one file per context: each calls one service method or one flow inside one transaction."""
