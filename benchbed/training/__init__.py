"""Training: a method's recipe through mmengine's Runner; resumable to the same weights."""
