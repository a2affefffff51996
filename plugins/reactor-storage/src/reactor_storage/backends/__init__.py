"""Where bytes are kept. A third party's backend implements `contract.Backend` and passes `reactor_storage.conformance`."""
