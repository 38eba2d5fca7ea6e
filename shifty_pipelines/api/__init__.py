"""The HTTP shell: authentication, validation, error shapes; every route calls one service method or one flow."""
