"""The exported site in object storage: Amazon S3 and its likes, Google Cloud Storage, Azure Blob Storage.

`client` speaks to the store, `lease` keeps other exports away, `journal` and `ledger` keep the records of
units beside the documents, `uploads` puts documents, and `bucket` is the target of all that.
"""
