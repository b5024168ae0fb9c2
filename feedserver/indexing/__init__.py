"""The indexer: follows the folders of articles, and keeps the index equal to their files.

`supervisor` starts the indexer, `child`, under `lock`, and `deaths` counts the indexers that died.
`ownership` refuses the state folder of another site. `plan` has the folders and rules as values.

`follower` decides when to look: it drives scans, and attends to `watcher`, `links` and `clock` between their
steps. `copier` has the publication history copied once a day. `indexer` has the order of the steps of a look:

- `folders` compares the files with the index, by `scanner` and `availability`.
- `pipeline` takes the files of a job (`jobs`) through `reading_queue`, `judging`, `removals` and `storing`.
- `judging` lets a change wait as `settling` decides, by what `writers` and `checkouts` tell.
- `storing` stores batches, and `isolating` keeps a change that cannot be stored from costing others.

`reading_queue` has files read by the processes of `reader_pool`. Each of these runs `reader_process`, which
takes and answers with `reader_values`; `readings` reads a single file. `checker` reads all files for
`feedserver check`, without an index.
"""
