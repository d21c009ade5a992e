"""Tests of infra: the whole deployment as it would be asked for, with a provider that makes nothing."""
