first=${1:-1}
case $first in
  '' | *[!0-9]* | ???????*) first=0 ;;
esac
if [ "$first" -lt 1 ] || [ "$first" -gt "$last" ]; then
  echo "usage: sh commands.sh [FIRST_STEP], a number from 1 to $last" >&2
  exit 2
fi
for file in template.yaml deploy/backup-account.yaml; do
  [ -f "$file" ] || { echo "$file is not here: run this in the folder of Backup Guardian's repository" >&2; exit 2; }
done
for file in $files; do
  [ -f "$plan/$file" ] || { echo "$plan/$file is missing: make the plan again" >&2; exit 2; }
done

# What was done before and may say something else.
left=

# account_of PROFILE: the account that its credentials belong to.
account_of() {
  AWS_PROFILE=$1 aws sts get-caller-identity --query Account --output text --region "$region" || echo 'not known'
}

# is_of PROFILE ACCOUNT: ends here where the profile is that of another account.
is_of() {
  here=$(account_of "$1")
  [ "$here" = "$2" ] || { echo "the account of the profile $1 is $here, and this belongs into $2" >&2; exit 1; }
}

# step NUMBER PROFILE ACCOUNT TEXT: whether it is to be done; only in the right account.
step() {
  [ "$1" -ge "$first" ] || return 1
  now=$1
  printf '\n%s of %s. %s\n' "$1" "$last" "$4"
  trap 'ended=$?; [ "$ended" -eq 0 ] || echo "step $now was not done; when that is mended: sh \"$0\" $now" >&2' EXIT
  # Again, for a session may have been changed in the meantime.
  is_of "$2" "$3"
  AWS_PROFILE=$2
  export AWS_PROFILE
}

# fine_if_it_says TEXT ELSE COMMAND...: its error with this text means that it was done before, and ELSE says what that leaves open.
fine_if_it_says() {
  fine=$1
  else=$2
  shift 2
  if said=$("$@" 2>&1); then
    printf '%s\n' "$said"
  else
    case $said in
      *"$fine"*)
        printf 'It was done before.%s\n' "${else:+ $else}"
        [ -z "$else" ] || left="$left
step $now: $else"
        ;;
      *) printf '%s\n' "$said" >&2; exit 1 ;;
    esac
  fi
}

# stack_instances STACK_SET COMMAND...: begins the operation and waits for its end; the AWS CLI has no waiter for it.
stack_instances() {
  name=$1
  shift
  operation=$("$@" --query OperationId --output text)
  while :; do
    status=$(aws cloudformation describe-stack-set-operation --stack-set-name "$name" --operation-id "$operation" \
      --query StackSetOperation.Status --output text --region "$region")
    echo "$name: $status"
    case $status in
      SUCCEEDED) break ;;
      RUNNING | QUEUED | STOPPING) sleep "${PAUSE_SECONDS:-15}" ;;
      *)
        echo "the operation $operation of the StackSet $name ended as $status: aws cloudformation list-stack-set-operation-results --stack-set-name $name --operation-id $operation --region $region" >&2
        exit 1
        ;;
    esac
  done
  # It succeeds, too, when no more accounts fail than it tolerates.
  failed=$(aws cloudformation list-stack-set-operation-results --stack-set-name "$name" --operation-id "$operation" \
    --query "Summaries[?Status!='SUCCEEDED'].[Account,Region,Status,StatusReason]" --output text --region "$region")
  [ -z "$failed" ] || {
    printf 'without a stack of %s are:\n%s\nif these may wait: sh "%s" %s\n' "$name" "$failed" "$0" "$((now + 1))" >&2
    exit 1
  }
}
