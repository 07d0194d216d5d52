#!/bin/sh
# Starts and stops the full stack: deploy/stack.sh up | down [arguments for compose].
# Any other command is passed to compose: deploy/stack.sh logs stretto.
# Environment variables: COMPOSE (the compose command), STRETTO_STATE (the state folder), STRETTO_RECEIVERS (a file with more
# receivers of alerts), TRACES (1 adds the collector and Jaeger).
set -eu
cd "$(dirname "$0")/.."

find_compose() {
  if docker compose version >/dev/null 2>&1; then echo docker compose
  elif command -v podman-compose >/dev/null 2>&1; then echo podman-compose
  elif podman compose version >/dev/null 2>&1; then echo podman compose
  else return 1
  fi
}

# In a rootless engine, root inside the container is you outside; no other user inside is.
rootless() {
  case $COMPOSE in
    podman*) [ "$(id -u)" != 0 ] ;;
    *) docker info --format '{{.SecurityOptions}}' 2>/dev/null | grep -q rootless ;;
  esac
}

COMPOSE=${COMPOSE:-$(find_compose)} || {
  echo "The full stack needs Docker with its compose plugin, or Podman with podman-compose; neither works here." >&2
  echo "Without them, use: make up (the service, with Prometheus and Alertmanager if they are installed)." >&2
  exit 1
}
STRETTO_STATE=${STRETTO_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/stretto}
case $STRETTO_STATE in /*) ;; *) STRETTO_STATE=$PWD/$STRETTO_STATE ;; esac
if rootless; then STRETTO_UID=0 STRETTO_GID=0; else STRETTO_UID=$(id -u) STRETTO_GID=$(id -g); fi
export STRETTO_STATE STRETTO_UID STRETTO_GID
token=$STRETTO_STATE/stack/token
receivers=${STRETTO_RECEIVERS:-$STRETTO_STATE/receivers.yml}
merged=
if [ -n "${STRETTO_RECEIVERS:-}" ] || [ -e "$receivers" ]; then
  merged=$STRETTO_STATE/stack/alertmanager
  export STRETTO_ALERTMANAGER="$merged"
fi

if [ $# = 0 ]; then
  echo "usage: deploy/stack.sh up | down | any command of compose" >&2
  exit 2
elif [ "$1" != up ]; then
  exec $COMPOSE --profile traces "$@"
fi
shift

umask 077
mkdir -p "$STRETTO_STATE/journal" "$STRETTO_STATE/stack"
# The servers run as other users and must read the token, so the folder, not the file, is private.
chmod 700 "$STRETTO_STATE/stack"
if [ ! -s "$token" ]; then
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$token.new"
  chmod 444 "$token.new"
  mv "$token.new" "$token"
fi
web=$STRETTO_STATE/stack/web.yml
if [ ! -s "$web" ] || [ -n "$(find "$token" -newer "$web")" ]; then
  # Prometheus and Alertmanager check the hash of the token, which only our image can compute.
  $COMPOSE build stretto
  $COMPOSE run --rm --no-deps -T --volume "$STRETTO_STATE/stack:/stack" stretto servers --write /stack/web.yml
  chmod 444 "$web"
fi
profile=
if [ "${TRACES:-}" = 1 ]; then
  profile="--profile traces"
  export STRETTO_STACK_OTLP=http://collector:4319
fi
if [ -n "$merged" ]; then
  # Copy all of Alertmanager's files to the folder that it mounts, so that the paths in them are checked as it reads them.
  mkdir -p "$merged"
  rm -rf "$merged/templates" "$merged/secrets"
  cp -R deploy/alertmanager/templates deploy/alertmanager/http.yml "$merged/"
  cp "$receivers" "$merged/receivers.yml"
  if [ -d "$(dirname "$receivers")/secrets" ]; then cp -R "$(dirname "$receivers")/secrets" "$merged/"; fi
  chmod -R u+w,a+rX "$merged"
  $COMPOSE build stretto
  $COMPOSE run --rm --no-deps -T --volume "$merged:/etc/alertmanager" \
    -e STRETTO_RECEIVERS=/etc/alertmanager/receivers.yml stretto receivers --write /etc/alertmanager/alertmanager.yml
  chmod a+r "$merged/alertmanager.yml"
  $COMPOSE run --rm --no-deps -T --entrypoint amtool alertmanager check-config /etc/alertmanager/alertmanager.yml
  # Alertmanager reads its configuration at its start, and compose restarts it only if the compose file has changed.
  $COMPOSE stop alertmanager >/dev/null 2>&1 || :
fi
$COMPOSE $profile up --detach --build "$@"
echo
echo "the page      http://127.0.0.1:9464   any user name; the password is the token"
echo "Grafana       http://127.0.0.1:3000   admin; the same password"
echo "Prometheus    http://127.0.0.1:9090   stretto; the same password"
echo "Alertmanager  http://127.0.0.1:9093   stretto; the same password"
[ -z "$profile" ] || echo "Jaeger        http://127.0.0.1:16686; send OTLP to http://127.0.0.1:4318"
echo "the token     $token"
echo "to stop       make stack-down (all data is kept)"
