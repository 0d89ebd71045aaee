"""mnistctl: the command line of MnistTraining.

`__main__` has the table of commands; a command is a file of its name (`resume` stands beside `suspend`, what works on
this machine in `local`). Below them: `follow` shows a training until it ends, `checks` and `storage_check` look for
what a manifest names, `status` puts a training's status into words, `transfer` moves files, `manifests` reads them,
`cluster` connects and explains what does not work. `running` and `eventloop` are how every command runs and ends.
"""
