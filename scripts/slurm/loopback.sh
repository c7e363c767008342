#!/usr/bin/env bash
# A cluster of this host alone, for the tests: Debian's Slurm and munge, which listen on loopback and have two GPUs that do not exist.
#
#   scripts/slurm/loopback.sh install        as root, with apt
#   scripts/slurm/loopback.sh start FOLDER   as root; then SLURM_CONF=FOLDER/slurm.conf
#   scripts/slurm/loopback.sh stop FOLDER
set -euo pipefail

usage() {
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

install() {
    if command -v slurmctld slurmd sbatch munged >/dev/null; then return; fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends slurm-wlm munge >/dev/null
}

start() {
    local host cores
    host=$(hostname -s)
    cores=$(nproc)
    mkdir -p "$room/state" "$room/spool" "$room/munge"
    # munged refuses a key that others may read.
    chmod 700 "$room/munge"
    (umask 077 && head -c 1024 /dev/urandom >"$room/munge/key")
    # Slurm counts device nodes: these are of the null device, and a software device does the work.
    for gpu in gpu0 gpu1; do
        mknod "$room/$gpu" c 1 3
    done
    echo "NodeName=$host Name=gpu File=$room/gpu[0-1]" >"$room/gres.conf"
    cat >"$room/slurm.conf" <<CONF
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$room/munge/socket
StateSaveLocation=$room/state
SlurmdSpoolDir=$room/spool
SlurmctldPidFile=$room/slurmctld.pid
SlurmdPidFile=$room/slurmd.pid
SlurmctldLogFile=$room/slurmctld.log
SlurmdLogFile=$room/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
KillWait=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$((cores > 2 ? cores : 2)) Gres=gpu:2 State=UNKNOWN
PartitionName=gpu Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
    munged --force --key-file="$room/munge/key" --socket="$room/munge/socket" --pid-file="$room/munge/pid" \
        --log-file="$room/munge/log" --seed-file="$room/munge/seed" 2>>"$room/munged.err"
    export SLURM_CONF=$room/slurm.conf
    slurmctld
    slurmd
    for _ in $(seq 100); do
        if [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]; then return; fi
        sleep 0.2
    done
    echo "loopback: no node is idle after 20 s; the last words of its log:" >&2
    tail -n 5 "$room/slurmctld.log" >&2
    exit 1
}

stop() {
    local file
    for file in slurmd.pid slurmctld.pid munge/pid; do
        if [ -s "$room/$file" ]; then kill "$(cat "$room/$file")" 2>/dev/null || true; fi
    done
}

case "${1:-} $#" in
    'install 1') install ;;
    'start 2' | 'stop 2')
        mkdir -p "$2"
        room=$(cd "$2" && pwd)
        "$1"
        ;;
    *) usage ;;
esac
