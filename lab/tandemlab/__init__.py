# SPDX-License-Identifier: Apache-2.0
"""The lab: five hosts as network namespaces with real servers, faults, a writing client and a verifier.

layout   where everything of one lab is, and how a lab is found again
net      namespaces, the switch between them, cuts
procs    processes of a host: start, find, signal
servers  server flavours: binaries, data directories, my.cnf
config   the cluster file, secrets, accounts
cluster  all of it together: what lab/up, lab/ctl, the demo and the system tests use
record   the client's record and the marks, read back
verify   acknowledged rows against the tables
results  what was measured: files with a line of JSON each
sampler  VIP and kernel lease of every host, sampled in the background
"""
