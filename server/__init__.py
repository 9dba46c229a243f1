"""The model server: one language model behind gRPC, answering Sentiment and Chat."""
